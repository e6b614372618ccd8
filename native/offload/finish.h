// SPDX-License-Identifier: Apache-2.0
// The frame for a receiver that takes no unfinished sums, or for one that does. The sum is made of the bytes while they are
// copied: after the copy they lie in memory that the receiver writes, before it in memory that the sender writes, and a
// private copy of them would cost what the single copy saves.
#pragma once

#include "offload/cursor.h"
#include "offload/tcp_frame.h"

namespace usvhost {

/**
 * Copies `length` bytes of `pieces` to `to` and stores the sum that `claim` (kChecksum) tells of. The field that holds the sum
 * of the pseudo header counts as it is (virtio 1.2, 5.1.6.2.1). A sum of zero is stored as its other form, as in UDP zero
 * means none (RFC 768), and elsewhere the two are equal.
 */
inline void copy_and_finish(PieceCursor to, const BufferPiece* pieces, uint32_t length, const Claim& claim) {
  PieceCursor from(pieces);
  PieceCursor field = to;
  copy_pieces(to, from, claim.checksum_start);
  RunningSum sum;
  copy_pieces_and_sum(to, from, length - claim.checksum_start, sum);
  auto value = static_cast<uint16_t>(~sum.value());
  uint8_t stored[2];
  store_sum(stored, value == 0 ? uint16_t{UINT16_MAX} : value);
  field.skip(claim.checksum_at);
  field.write(stored, sizeof stored);
}

/** Copies a frame that is to be segmented by its receiver; its headers are those that parse() has seen. */
inline void copy_whole(PieceCursor to, const BufferPiece* pieces, uint32_t length, const TcpFrame& frame) {
  PieceCursor from(pieces);
  to.write(frame.bytes, frame.payload);
  from.skip(frame.payload);
  copy_pieces(to, from, length - frame.payload);
}

}  // namespace usvhost
