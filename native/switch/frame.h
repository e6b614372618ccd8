// SPDX-License-Identifier: Apache-2.0
// A frame while it is on its way through a burst: pieces of its sender's memory, checked and translated, and the scratch space
// in which pieces are listed when there is more than one.
#pragma once

#include <memory>

#include "virtio/device_chain.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** Frames of one port in one pass: fairness between ports, and the size of what a burst needs. */
inline constexpr uint32_t kBurst = 32;

struct Frame {
  const BufferPiece* segments;  // the first one starts with the destination address
  uint32_t segment_count;
  uint32_t length;
  BufferPiece single;  // where `segments` points when there is one
};

/** Pieces of scattered buffers: a chain has at most kMaxQueueSize of them, and a burst stops when no second such chain fits. */
class Scratch {
 public:
  Scratch() : pieces_(new BufferPiece[kPieces]) {}
  void clear() { used_ = 0; }
  bool has_room() const { return used_ + kMaxQueueSize <= kPieces; }
  /** The free end, with room for the longest chain when has_room() says so. */
  BufferPiece* free() { return &pieces_[used_]; }
  void take(uint32_t count) { used_ += count; }
  uint32_t mark() const { return used_; }
  void release(uint32_t mark) { used_ = mark; }

 private:
  static constexpr uint32_t kPieces = 2 * kMaxQueueSize;
  std::unique_ptr<BufferPiece[]> pieces_;
  uint32_t used_ = 0;
};

}  // namespace usvhost
