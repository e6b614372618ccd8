// SPDX-License-Identifier: Apache-2.0
#include "offload/claim.h"

namespace usvhost {

const char* describe(ClaimError error) {
  switch (error) {
    case ClaimError::kNone: return "no error";
    case ClaimError::kNotNegotiated: return "expected offloads that were negotiated, got others";
    case ClaimError::kGsoKind: return "expected segmentation of TCP over IPv4 or IPv6, got another kind";
    case ClaimError::kGsoSize: return "expected segments of 1 byte or more, got 0";
    case ClaimError::kChecksumRange:
      return "expected a checksum behind the Ethernet header and inside the frame, got one outside";
    case ClaimError::kHeaderLength: return "expected headers inside the frame, got a longer length";
  }
  return "unknown";
}

namespace {

/** The kind without its ECN bit; UDP and what is unknown are kinds that nobody offered. */
ClaimError read_kind(uint8_t type, const Offloads& sender, Undone& kind) {
  bool ecn = (type & VIRTIO_NET_HDR_GSO_ECN) != 0;
  switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      kind = Undone::kTcp4;
      return sender.tcp4 && (!ecn || sender.ecn) ? ClaimError::kNone : ClaimError::kNotNegotiated;
    case VIRTIO_NET_HDR_GSO_TCPV6:
      kind = Undone::kTcp6;
      return sender.tcp6 && (!ecn || sender.ecn) ? ClaimError::kNone : ClaimError::kNotNegotiated;
    default: return ClaimError::kGsoKind;
  }
}

}  // namespace

ClaimError read_claim(const virtio_net_hdr& header, const Offloads& sender, uint32_t length, Claim& claim) {
  claim = {};
  bool partial = (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  Undone kind = partial ? Undone::kChecksum : Undone::kNothing;
  if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
    if (ClaimError error = read_kind(header.gso_type, sender, kind); error != ClaimError::kNone) return error;
    if (header.gso_size == 0) return ClaimError::kGsoSize;
    if (!partial) return ClaimError::kChecksumRange;
    if (header.hdr_len > length) return ClaimError::kHeaderLength;
  }
  if (kind == Undone::kNothing) return ClaimError::kNone;
  if (!sender.checksum) return ClaimError::kNotNegotiated;
  // A checksum inside the Ethernet header would change addresses after they have been judged.
  uint32_t at = uint32_t{header.csum_start} + header.csum_offset;
  if (header.csum_start < kEthernetBytes || at + sizeof(uint16_t) > length || at > UINT16_MAX) {
    return ClaimError::kChecksumRange;
  }
  claim.undone = kind;
  claim.checksum_start = header.csum_start;
  claim.checksum_at = static_cast<uint16_t>(at);
  if (claim.segments()) claim.segment_bytes = header.gso_size;
  return ClaimError::kNone;
}

virtio_net_hdr_mrg_rxbuf write_claim(const Claim& claim, uint16_t buffers) {
  virtio_net_hdr_mrg_rxbuf written{};
  written.num_buffers = buffers;
  if (claim.undone == Undone::kNothing) return written;
  virtio_net_hdr& header = written.hdr;
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.csum_start = claim.checksum_start;
  header.csum_offset = static_cast<uint16_t>(claim.checksum_at - claim.checksum_start);
  if (!claim.segments()) return written;
  int kind = claim.undone == Undone::kTcp4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
  header.gso_type = static_cast<uint8_t>(kind | (claim.ecn ? VIRTIO_NET_HDR_GSO_ECN : 0));
  header.gso_size = claim.segment_bytes;
  header.hdr_len = claim.header_bytes;
  return written;
}

}  // namespace usvhost
