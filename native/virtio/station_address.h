// SPDX-License-Identifier: Apache-2.0
// The MAC address of one station as a number, byte 0 on the wire in the lowest bits; 0 stands for none.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace usvhost {

inline uint64_t load_address(const uint8_t* bytes) {
  uint64_t address = 0;
  std::memcpy(&address, bytes, 6);
  return address;
}

/** Whether a station can have it: no group address, which the lowest bit of the first byte marks (IEEE 802-2014, 8.2), and not zero. */
inline bool valid_station_address(uint64_t address) { return address != 0 && (address & 1) == 0; }

/** 02:00:00:00:00:01 */
inline std::string address_text(uint64_t address) {
  char text[18];
  auto byte = [address](int i) { return static_cast<unsigned>(address >> (8 * i) & 0xff); };
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", byte(0), byte(1), byte(2), byte(3), byte(4),
                byte(5));
  return text;
}

}  // namespace usvhost
