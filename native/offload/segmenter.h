// SPDX-License-Identifier: Apache-2.0
// Cuts a checked TCP frame into segments, each straight from the sender's memory into a receiver's buffer, with the same
// bytes that Linux' software segmentation makes of it (RFC 9293; RFC 3168, 6.1.2 for CWR). One pass, no memory of its own.
#pragma once

#include "offload/cursor.h"
#include "offload/tcp_frame.h"

namespace usvhost {

class Segmenter {
 public:
  /** `frame` and `claim` are what parse() accepted of the `length` bytes in `pieces`; all three outlive the segmenter. */
  Segmenter(const TcpFrame& frame, const Claim& claim, const BufferPiece* pieces, uint32_t length);

  /** Bytes of the next segment's frame, without virtio header; 0 when all have been written. */
  uint32_t next_bytes() const { return left_ == 0 ? 0 : frame_.payload + next_data(); }
  /** Segments that are still to come. */
  uint32_t remaining() const { return (left_ + claim_.segment_bytes - 1) / claim_.segment_bytes; }
  /** Writes next_bytes() bytes at `to`, which has room for them, and goes on to the next segment. */
  void write(PieceCursor to);

 private:
  uint32_t next_data() const { return left_ < claim_.segment_bytes ? left_ : claim_.segment_bytes; }
  void patch_network(uint32_t data);
  void patch_transport(uint32_t data);

  const TcpFrame& frame_;
  const Claim& claim_;
  PieceCursor from_;
  uint32_t left_;       // data bytes that are not written yet
  uint32_t index_ = 0;  // of the next segment
  uint32_t whole_;      // bytes from the TCP header to the end of the frame, which the partial sum counts
  uint8_t headers_[TcpFrame::kRoom];
};

}  // namespace usvhost
