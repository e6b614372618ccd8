// SPDX-License-Identifier: Apache-2.0
// What every protocol on the wire shares: numbers in network order at any alignment, and the header that frames start with.
#pragma once

#include <cstdint>

namespace usvhost {

/** Destination address, source address, type (IEEE 802.3, 3.1.1). */
inline constexpr uint32_t kEthernetBytes = 14;

inline uint16_t load_be16(const uint8_t* from) { return static_cast<uint16_t>(from[0] << 8 | from[1]); }
inline void store_be16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}
inline uint32_t load_be32(const uint8_t* from) { return uint32_t{load_be16(from)} << 16 | load_be16(from + 2); }
inline void store_be32(uint8_t* to, uint32_t value) {
  store_be16(to, static_cast<uint16_t>(value >> 16));
  store_be16(to + 2, static_cast<uint16_t>(value));
}

}  // namespace usvhost
