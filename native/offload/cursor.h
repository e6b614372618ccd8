// SPDX-License-Identifier: Apache-2.0
// A place in a scattered buffer, for work that goes through it from front to back: copying, summing, cutting. Whoever uses one
// has checked before that the bytes are there; lengths are our own numbers, never the bytes'.
#pragma once

#include "offload/checksum.h"
#include "switch/copy.h"

namespace usvhost {

class PieceCursor {
 public:
  explicit PieceCursor(const BufferPiece* pieces) : piece_(pieces) {}

  /** The next stretch without a gap, at most `wanted` (not 0) bytes of it; moves behind it. */
  BufferPiece take(uint32_t wanted) {
    while (offset_ == piece_->length) next();
    uint32_t here = piece_->length - offset_;
    BufferPiece stretch{piece_->data + offset_, here < wanted ? here : wanted};
    offset_ += stretch.length;
    return stretch;
  }
  void skip(uint32_t bytes) {
    while (bytes != 0) bytes -= take(bytes).length;
  }
  void write(const uint8_t* from, uint32_t length) {
    while (length != 0) {
      BufferPiece stretch = take(length);
      copy_bytes(stretch.data, from, stretch.length);
      from += stretch.length;
      length -= stretch.length;
    }
  }
  void read(uint8_t* to, uint32_t length) {
    while (length != 0) {
      BufferPiece stretch = take(length);
      copy_bytes(to, stretch.data, stretch.length);
      to += stretch.length;
      length -= stretch.length;
    }
  }

 private:
  void next() {
    piece_++;
    offset_ = 0;
  }
  const BufferPiece* piece_;
  uint32_t offset_ = 0;
};

/** Calls `move(to, from, length)` for each stretch that has no gap on either side; both cursors end behind `length` bytes. */
template <class Move>
inline void for_each_stretch(PieceCursor& to, PieceCursor& from, uint32_t length, Move move) {
  while (length != 0) {
    BufferPiece source = from.take(length);
    length -= source.length;
    while (source.length != 0) {
      BufferPiece target = to.take(source.length);
      move(target.data, source.data, target.length);
      source.data += target.length;
      source.length -= target.length;
    }
  }
}

inline void copy_pieces(PieceCursor& to, PieceCursor& from, uint32_t length) {
  // As a pointer it could not be inlined where the compiler optimizes little.
  for_each_stretch(to, from, length,
                   [](uint8_t* target, const uint8_t* source, uint32_t bytes) { copy_bytes(target, source, bytes); });
}
inline void copy_pieces_and_sum(PieceCursor& to, PieceCursor& from, uint32_t length, RunningSum& sum) {
  for_each_stretch(to, from, length, [&sum](uint8_t* target, const uint8_t* source, uint32_t bytes) {
    sum.add(copy_and_sum(target, source, bytes), bytes);
  });
}

}  // namespace usvhost
