// SPDX-License-Identifier: Apache-2.0
#include "offload/tcp_frame.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/wire.h"

namespace usvhost {

namespace {

constexpr int kMaxVlanTags = 2;
constexpr uint32_t kIpv4Bytes = 20;
constexpr uint32_t kIpv6Bytes = 40;
constexpr uint32_t kTcpBytes = 20;
/** More fragments, or an offset: everything but "don't fragment" and the reserved bit (RFC 791, 3.1). */
constexpr uint16_t kFragmentMask = 0x3fff;
constexpr uint8_t kCwr = 0x80;

}  // namespace

bool TcpFrame::find_network(uint32_t have, uint16_t wanted_type) {
  uint32_t type_at = 12;
  for (int tags = 0; type_at + 2 <= have; tags++, type_at += 4) {
    uint16_t type = load_be16(bytes + type_at);
    if (type == wanted_type) {
      network = static_cast<uint16_t>(type_at + 2);
      return true;
    }
    if ((type != ETH_P_8021Q && type != ETH_P_8021AD) || tags == kMaxVlanTags) return false;
  }
  return false;
}

bool TcpFrame::find_tcp_in_ipv4(uint32_t have) {
  if (network + kIpv4Bytes > have) return false;
  const uint8_t* ip = bytes + network;
  uint32_t header = (ip[0] & 0xfu) * 4;
  if (ip[0] >> 4 != 4 || header < kIpv4Bytes || ip[9] != IPPROTO_TCP) return false;
  if ((load_be16(ip + 6) & kFragmentMask) != 0) return false;
  transport = static_cast<uint16_t>(network + header);
  return true;
}

/** Extension headers that may stand before TCP and say their own length (RFC 8200, 4); a fragment is no whole packet. */
bool TcpFrame::find_tcp_in_ipv6(uint32_t have) {
  if (network + kIpv6Bytes > have || bytes[network] >> 4 != 6) return false;
  uint8_t next = bytes[network + 6];
  uint32_t at = network + kIpv6Bytes;
  while (next != IPPROTO_TCP) {
    if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS) return false;
    if (at + 2 > have) return false;
    next = bytes[at];
    at += 8 + bytes[at + 1] * 8u;  // at least 8, and at stays below kRoom or the loop ends: at most 32 rounds
  }
  if (at > have) return false;
  transport = static_cast<uint16_t>(at);
  return true;
}

bool TcpFrame::parse(const BufferPiece* pieces, uint32_t length, Claim& claim) {
  uint32_t have = std::min(length, kRoom);
  gather(bytes, pieces, 0, have);
  bool four = claim.undone == Undone::kTcp4;
  if (!find_network(have, four ? ETH_P_IP : ETH_P_IPV6)) return false;
  if (!(four ? find_tcp_in_ipv4(have) : find_tcp_in_ipv6(have))) return false;
  if (transport + kTcpBytes > have) return false;
  const uint8_t* tcp = bytes + transport;
  uint32_t header = (tcp[12] >> 4) * 4u;
  if (header < kTcpBytes || transport + header > have || transport + header >= length) return false;
  if (claim.checksum_start != transport || claim.checksum_at != transport + kTcpChecksumOffset) return false;
  payload = static_cast<uint16_t>(transport + header);
  uint32_t data = length - payload;
  if (data <= claim.segment_bytes) {
    claim.undone = Undone::kChecksum;
    claim.segment_bytes = 0;
    return true;
  }
  if (length > kMaxGsoFrame || data > uint32_t{claim.segment_bytes} * kMaxSegments) return false;
  claim.header_bytes = payload;
  claim.ecn = (tcp[13] & kCwr) != 0;
  return true;
}

}  // namespace usvhost
