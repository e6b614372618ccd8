// SPDX-License-Identifier: Apache-2.0
// A frame in the data thread's hands: one buffer of the pool, or several that private links join. What a back-end wrote
// into buffers is not trusted here; what the links say is ours.
#pragma once

#include <cstring>

#include "memory/buffer_pool.h"

namespace usvhost {

/** Ethernet header and one VLAN tag: what a frame has beside its payload, which an MTU counts. */
inline constexpr uint32_t kFrameOverhead = 14 + 4;
/** With the largest IP packet: what a TCP frame before its segmentation can have. */
inline constexpr uint32_t kMaxFrameBytes = kFrameOverhead + 65535;
/** Buffers of one frame: the largest needs 32; more are accepted from a back-end that does not fill them. */
inline constexpr uint32_t kMaxFrameBuffers = 64;
inline constexpr uint32_t kFewestBuffersOfLargest =
    1 + (kMaxFrameBytes - kPayloadCapacity + kBufferBytes - 1) / kBufferBytes;

/**
 * `length` counts from destination address to end of payload. The frame lies at BufferPool::payload(buffer). With `rest` it
 * goes on there: the pool's links tell how many bytes each of its buffers has.
 */
struct Packet {
  uint32_t buffer;
  uint32_t length;
  uint32_t rest = kNoBuffer;

  bool chained() const { return rest != kNoBuffer; }
};

inline void give_packet(BufferPool& pool, const Packet& packet) {
  if (packet.chained()) [[unlikely]]
    pool.give_chain(packet.rest);
  pool.give(packet.buffer);
}

/** Calls `visit(bytes, length)` for each stretch of the frame in order. */
template <class Visit>
void for_each_stretch(BufferPool& pool, const Packet& packet, Visit visit) {
  visit(pool.payload(packet.buffer), packet.chained() ? pool.link(packet.buffer).length : packet.length);
  for (uint32_t buffer = packet.rest; buffer != kNoBuffer; buffer = pool.link(buffer).next) {
    visit(pool.header(buffer), pool.link(buffer).length);
  }
}

/** `to` has room for the frame's length. */
inline void copy_out(BufferPool& pool, const Packet& packet, uint8_t* to) {
  for_each_stretch(pool, packet, [&to](const uint8_t* bytes, uint32_t length) {
    std::memcpy(to, bytes, length);
    to += length;
  });
}

/** Buffers that a frame of so many bytes fills. */
inline constexpr uint32_t buffers_of(uint32_t length) {
  return length <= kPayloadCapacity ? 1 : 1 + (length - kPayloadCapacity + kBufferBytes - 1) / kBufferBytes;
}

/** Makes one frame of `length` bytes from buffers_of(length) buffers; where its bytes lie is for_each_stretch()'s to tell. */
inline Packet join_buffers(BufferPool& pool, const uint32_t* buffers, uint32_t length) {
  uint32_t count = buffers_of(length);
  if (count == 1) return {buffers[0], length};
  uint32_t left = length;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t room = i == 0 ? kPayloadCapacity : kBufferBytes;
    uint32_t here = left < room ? left : room;
    pool.link(buffers[i]) = {i + 1 < count ? buffers[i + 1] : kNoBuffer, here};
    left -= here;
  }
  return {buffers[0], length, buffers[1]};
}

}  // namespace usvhost
