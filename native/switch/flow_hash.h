// SPDX-License-Identifier: Apache-2.0
// Which flow a frame belongs to, as a number: frames of one flow have the same, so that they stay in one receive queue and in
// order. Reads a private copy of a frame's beginning and never beyond it.
#pragma once

#include <cstdint>
#include <cstring>

namespace usvhost {

/** Bytes of a frame that flow_hash() looks at: Ethernet, one VLAN tag, the longest IPv4 header or one of IPv6, and ports. */
inline constexpr uint32_t kFlowBytes = 18 + 60 + 4;

namespace flow {

/** Mixes one more word in (multiplication by an odd constant, and the high half down). */
inline uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15ull;
  return hash ^ hash >> 32;
}

inline uint64_t mix_bytes(uint64_t hash, const uint8_t* bytes, uint32_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    hash = mix(hash, word);
  }
  uint64_t rest = 0;
  if (length != 0) std::memcpy(&rest, bytes, length);
  return length != 0 ? mix(hash, rest) : hash;
}

inline uint16_t big_endian(const uint8_t* bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }
inline bool has_ports(uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 132;
}  // TCP, UDP, SCTP

}  // namespace flow

/**
 * A hash over addresses and ports of IPv4 and IPv6 (ports only where every fragment of a packet would give the same), over the MAC
 * addresses of anything else. `bytes` is the beginning of a frame, `length` at most kFlowBytes and possibly less than a header.
 */
inline uint32_t flow_hash(const uint8_t* bytes, uint32_t length) {
  constexpr uint32_t kAddresses = 12;
  uint32_t at = kAddresses;
  uint16_t type = length >= at + 2 ? flow::big_endian(bytes + at) : 0;
  if (type == 0x8100 && length >= at + 6) {
    at += 4;
    type = flow::big_endian(bytes + at);
  }
  at += 2;
  uint64_t hash = 0;
  uint32_t ports = 0;  // where they are, 0: nowhere
  if (type == 0x0800 && length >= at + 20 && bytes[at] >> 4 == 4) {
    hash = flow::mix_bytes(bytes[at + 9], bytes + at + 12, 8);
    bool fragment = (flow::big_endian(bytes + at + 6) & 0x3fff) != 0;  // "more" or an offset
    if (!fragment && flow::has_ports(bytes[at + 9])) ports = at + 4u * (bytes[at] & 0xf);
  } else if (type == 0x86dd && length >= at + 40 && bytes[at] >> 4 == 6) {
    hash = flow::mix_bytes(bytes[at + 6], bytes + at + 8, 32);
    if (flow::has_ports(bytes[at + 6])) ports = at + 40;
  } else {
    hash = flow::mix_bytes(0, bytes, length < kAddresses ? length : kAddresses);
  }
  if (ports != 0 && length >= ports + 4) hash = flow::mix_bytes(hash, bytes + ports, 4);
  return static_cast<uint32_t>(hash >> 16);
}

}  // namespace usvhost
