// SPDX-License-Identifier: Apache-2.0
// Pieces of memory of exactly their lengths, for a run: a byte before or behind one is a finding of AddressSanitizer, as with memory
// of the heap, but a piece costs no allocation.
#pragma once

#include <sanitizer/asan_interface.h>

#include "fuzz/input.h"

namespace usvhost::fuzz {

class ExactMemory {
 public:
  /** `bytes`: what all pieces of a run need, their gaps included (see room()). */
  explicit ExactMemory(size_t bytes) : bytes_(bytes), memory_(static_cast<uint8_t*>(aligned_alloc(kGap, bytes))) {
    expect(memory_ != nullptr && bytes % kGap == 0);
    __asan_poison_memory_region(memory_, bytes_);
  }
  ~ExactMemory() {
    __asan_unpoison_memory_region(memory_, bytes_);
    free(memory_);
  }
  ExactMemory(const ExactMemory&) = delete;
  ExactMemory& operator=(const ExactMemory&) = delete;

  /** What a piece takes up: its bytes and a gap of at least kGap bytes behind them. */
  static constexpr size_t room(size_t length) { return (length + 2 * kGap - 1) / kGap * kGap; }

  /** `length` zeroes. */
  uint8_t* take(size_t length) {
    expect(used_ + room(length) <= bytes_);
    uint8_t* piece = memory_ + used_;
    __asan_unpoison_memory_region(piece, length);
    std::memset(piece, 0, length);
    used_ += room(length);
    return piece;
  }
  /** Undo of every take() since mark(). */
  size_t mark() const { return used_; }
  void release(size_t mark) {
    __asan_poison_memory_region(memory_ + mark, used_ - mark);
    used_ = mark;
  }
  void reset() { release(kGap); }

 private:
  static constexpr size_t kGap = 16;
  size_t bytes_;
  uint8_t* memory_;
  size_t used_ = kGap;
};

}  // namespace usvhost::fuzz
