// SPDX-License-Identifier: Apache-2.0
// Fixed-size packet buffers carved from a segment and handed out last in, first out: the buffer that was used
// last is the one that is still in the cache. One thread uses a pool; it holds no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace usvhost {

/**
 * Where things lie in a buffer. The payload starts on a cache line of its own with the 12-byte virtio-net header
 * right before it; the stride is an odd number of cache lines, so that the first lines of many
 * buffers spread over all sets of a cache (a power of two would pile them into a few).
 */
inline constexpr uint32_t kBufferStride = 33 * 64;
inline constexpr uint32_t kHeaderBytes = 12;
inline constexpr uint32_t kPayloadOffset = 64;
inline constexpr uint32_t kHeaderOffset = kPayloadOffset - kHeaderBytes;
inline constexpr uint32_t kPayloadCapacity = kBufferStride - kPayloadOffset;

class BufferPool {
 public:
  BufferPool(uint8_t* base, uint32_t count) : base_(base), free_(count), top_(count) {
    // Filled backwards so that the first buffers handed out are the first in memory.
    for (uint32_t i = 0; i < count; i++) free_[i] = count - 1 - i;
  }

  /** Takes up to `wanted` buffers; returns how many were there. */
  uint32_t take(uint32_t* out, uint32_t wanted) {
    uint32_t got = wanted < top_ ? wanted : top_;
    for (uint32_t i = 0; i < got; i++) out[i] = free_[--top_];
    return got;
  }
  void give(uint32_t buffer) { free_[top_++] = buffer; }

  uint8_t* header(uint32_t buffer) const { return base_ + size_t{buffer} * kBufferStride + kHeaderOffset; }
  uint8_t* payload(uint32_t buffer) const { return base_ + size_t{buffer} * kBufferStride + kPayloadOffset; }
  uint32_t available() const { return top_; }
  uint32_t count() const { return static_cast<uint32_t>(free_.size()); }

 private:
  uint8_t* base_;
  std::vector<uint32_t> free_;
  uint32_t top_;
};

}  // namespace usvhost
