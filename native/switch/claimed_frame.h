// SPDX-License-Identifier: Apache-2.0
// Delivers a frame on which something is still to be done: as it is to a receiver that does it itself, else finished or cut.
// Nothing is claimed to a receiver that it did not ask for, and nothing that was not checked.
#pragma once

#include "offload/finish.h"
#include "offload/segmenter.h"
#include "switch/frame.h"

namespace usvhost {

/** What became of a group's frames; a frame that was cut counts as its segments. */
struct Delivered {
  uint32_t packets = 0;
  uint64_t bytes = 0;
  uint32_t small = 0;
  uint32_t missed = 0;
  uint32_t finished = 0;
  uint32_t segmented = 0;
  uint32_t segments = 0;  // of these

  template <class Result>
  void count(Result result, uint32_t length) {
    switch (result) {
      case Result::kDelivered:
        packets++;
        bytes += length;
        break;
      case Result::kTooSmall: small++; break;
      case Result::kNoBuffer: missed++; break;
    }
  }
};

template <class Burst>
class ClaimedFrame {
 public:
  using Result = typename Burst::Result;

  ClaimedFrame(Burst& burst, const Frame& frame, const Claim& claim, const TcpFrame& tcp, Delivered& delivered)
      : burst_(burst), frame_(frame), pieces_(frame.pieces(own_)), claim_(claim), tcp_(tcp), delivered_(delivered) {}

  void deliver(const Offloads& receiver) {
    if (takes(receiver, claim_)) {
      Result result = pass_on();
      // A pod that takes 64 KiB but has posted small buffers, which it should not (5.1.6.3.1), gets segments.
      if (result != Result::kTooSmall || !claim_.segments()) return delivered_.count(result, frame_.length);
    }
    claim_.segments() ? cut() : finish();
  }

 private:
  Result pass_on() {
    return burst_.deliver_made(write_claim(claim_, 1), frame_.length, [this](PieceCursor to) {
      if (claim_.segments()) return copy_whole(to, pieces_, frame_.length, tcp_);
      PieceCursor from(pieces_);
      copy_pieces(to, from, frame_.length);
    });
  }
  void finish() {
    Result result = burst_.deliver_made(write_claim({}, 1), frame_.length, [this](PieceCursor to) {
      copy_and_finish(to, pieces_, frame_.length, claim_);
    });
    if (result == Result::kDelivered) delivered_.finished++;
    delivered_.count(result, frame_.length);
  }
  /** The first segment without a buffer ends it: the rest is lost, as on a wire whose receiver is full. */
  void cut() {
    Segmenter segmenter(tcp_, claim_, pieces_, frame_.length);
    delivered_.segmented++;
    delivered_.segments += segmenter.remaining();
    while (uint32_t bytes = segmenter.next_bytes()) {
      Result result = burst_.deliver_made(write_claim({}, 1), bytes, [&](PieceCursor to) { segmenter.write(to); });
      if (result != Result::kDelivered) {
        (result == Result::kTooSmall ? delivered_.small : delivered_.missed) += segmenter.remaining();
        return;
      }
      delivered_.count(result, bytes);
    }
  }

  Burst& burst_;
  const Frame& frame_;
  BufferPiece own_[2];
  const BufferPiece* pieces_;
  const Claim& claim_;
  const TcpFrame& tcp_;
  Delivered& delivered_;
};

}  // namespace usvhost
