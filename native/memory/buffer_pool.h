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
/** What is posted for reception, and what a buffer that goes on with a frame holds: there the header's place has data. */
inline constexpr uint32_t kBufferBytes = kHeaderBytes + kPayloadCapacity;

inline constexpr uint32_t kNoBuffer = UINT32_MAX;

/**
 * How a frame of several buffers goes on. It is kept in private memory: whoever shares the buffers can change bytes of the
 * frame, but not which buffers it has.
 */
struct BufferLink {
  uint32_t next = kNoBuffer;
  uint32_t length =
      0;  // bytes of the frame here: from payload() on in its first buffer, from header() on in the others
};

class BufferPool {
 public:
  BufferPool(uint8_t* base, uint32_t count) : base_(base), free_(count), links_(count), top_(count) {
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
  /** Gives a buffer and all that link() joins to it. */
  void give_chain(uint32_t buffer) {
    while (buffer != kNoBuffer) {
      uint32_t next = links_[buffer].next;
      give(buffer);
      buffer = next;
    }
  }

  /** Has a meaning only for buffers of a frame that has several; stale otherwise. */
  BufferLink& link(uint32_t buffer) { return links_[buffer]; }

  uint8_t* header(uint32_t buffer) const { return base_ + size_t{buffer} * kBufferStride + kHeaderOffset; }
  uint8_t* payload(uint32_t buffer) const { return base_ + size_t{buffer} * kBufferStride + kPayloadOffset; }
  uint32_t available() const { return top_; }
  uint32_t count() const { return static_cast<uint32_t>(free_.size()); }

 private:
  uint8_t* base_;
  std::vector<uint32_t> free_;
  std::vector<BufferLink> links_;
  uint32_t top_;
};

}  // namespace usvhost
