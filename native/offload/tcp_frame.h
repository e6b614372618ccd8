// SPDX-License-Identifier: Apache-2.0
// The headers of a frame that is to be segmented, on a private copy: nothing that was checked here can change afterwards,
// and everything that is sent of the headers is taken from this copy.
#pragma once

#include "offload/claim.h"
#include "switch/copy.h"

namespace usvhost {

/** Of a TCP segment, where its sum stands (RFC 9293, 3.1). */
inline constexpr uint32_t kTcpChecksumOffset = 16;

struct TcpFrame {
  /**
   * Room for Ethernet, two VLAN tags, IPv4 and TCP with all their options; or IPv6 with 134 bytes of extension headers and the
   * longest TCP header. Frames with longer headers are none that we segment.
   */
  static constexpr uint32_t kRoom = 256;

  uint8_t bytes[kRoom];
  uint16_t network;    // where the IP header starts
  uint16_t transport;  // where the TCP header starts
  uint16_t payload;    // where the data starts: bytes [0, payload) are the headers

  /**
   * Copies the headers of a frame of `length` bytes out of `pieces` and completes `claim`, whose undone is kTcp4 or kTcp6.
   * A frame whose data fits one segment is one without its sum: undone becomes kChecksum. False when it is not TCP over
   * the IP version that was claimed, is a fragment, has a sum elsewhere, no data or more than kMaxSegments segments.
   */
  bool parse(const BufferPiece* pieces, uint32_t length, Claim& claim);

 private:
  bool find_network(uint32_t have, uint16_t wanted_type);
  bool find_tcp_in_ipv4(uint32_t have);
  bool find_tcp_in_ipv6(uint32_t have);
};

}  // namespace usvhost
