// SPDX-License-Identifier: Apache-2.0
// What a sender's header says that is still to be done on its frame, and whether it may say so: the one validity function
// of virtio_net_hdr (virtio 1.2, 5.1.6). It works on a private copy; the header in shared memory is never looked at again.
#pragma once

#include <cstdint>

#include "base/wire.h"
#include "offload/abilities.h"
#include "virtio/uapi.h"

namespace usvhost {

/** Ethernet, two VLAN tags, and the longest IP packet whose length fits its field. */
inline constexpr uint32_t kMaxGsoFrame = kEthernetBytes + 8 + 65535;
/**
 * Frames that one frame may become. A Linux sender has at least 256 bytes a segment (net.ipv4.route.min_adv_mss), of 64 KiB;
 * without a bound a frame with segments of one byte would keep a data thread busy for milliseconds.
 */
inline constexpr uint32_t kMaxSegments = 256;

enum class Undone : uint8_t { kNothing, kChecksum, kTcp4, kTcp6 };

struct Claim {
  Undone undone = Undone::kNothing;
  bool ecn = false;             // kTcp4, kTcp6: the CWR flag is set
  uint16_t checksum_start = 0;  // from the frame's first byte; the sum runs from here to the end
  uint16_t checksum_at = 0;     // where it is to be stored, from the frame's first byte
  uint16_t header_bytes = 0;    // kTcp4, kTcp6: up to the TCP payload
  uint16_t segment_bytes = 0;   // kTcp4, kTcp6: payload of each segment but the last

  bool segments() const { return undone >= Undone::kTcp4; }
};

enum class ClaimError : uint8_t { kNone, kNotNegotiated, kGsoKind, kGsoSize, kChecksumRange, kHeaderLength };

const char* describe(ClaimError error);

/**
 * Reads `header`, a private copy, of a frame of `length` bytes (at least kEthernetBytes) from a pod with `sender`.
 *
 * Flags other than NEEDS_CSUM are ignored, as 5.1.6.2.2 asks, and never passed on: that data is valid is no pod's to say.
 * A segmented frame needs NEEDS_CSUM (5.1.6.2.1). `claim` is complete for kChecksum; for kTcp4 and kTcp6 the frame itself
 * must be looked at by TcpFrame::parse before anybody relies on it.
 */
ClaimError read_claim(const virtio_net_hdr& header, const Offloads& sender, uint32_t length, Claim& claim);

/** Whether the frame may go to `receiver` as it is, with write_claim() before it. */
inline bool takes(const Offloads& receiver, const Claim& claim) {
  switch (claim.undone) {
    case Undone::kNothing: return true;
    case Undone::kChecksum: return receiver.checksum;
    case Undone::kTcp4: return receiver.tcp4 && (!claim.ecn || receiver.ecn);
    case Undone::kTcp6: return receiver.tcp6 && (!claim.ecn || receiver.ecn);
  }
  return false;
}

/** The header for a receiver that takes the claim, made of checked numbers only (5.1.6.4.1). */
virtio_net_hdr_mrg_rxbuf write_claim(const Claim& claim, uint16_t buffers);

}  // namespace usvhost
