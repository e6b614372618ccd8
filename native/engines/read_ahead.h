// SPDX-License-Identifier: Apache-2.0
// Buffers that the next frame of a tap is read into, enough for the largest one: how long it is shows only afterwards. What a
// frame does not need stays for the next one, so that a small frame costs one buffer.
#pragma once

#include <sys/uio.h>

#include "driver/packet.h"
#include "virtio/uapi.h"

namespace usvhost {

class ReadAhead {
 public:
  static constexpr uint32_t kBuffers = kFewestBuffersOfLargest;

  explicit ReadAhead(BufferPool& pool) : pool_(pool) { vector_[0] = {&header_, sizeof header_}; }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /** False while the pool cannot give what the largest frame needs. */
  bool ready() {
    if (missing_ == 0) return true;
    uint32_t fresh[kBuffers];
    for (uint32_t left = pool_.take(fresh, missing_); left != 0; left--) place(--missing_, fresh[left - 1]);
    return missing_ == 0;
  }

  /** For readv(), when ready: the header, which stays private, and then the frame. */
  const iovec* vector() const { return vector_; }
  static constexpr int kVectors = 1 + kBuffers;

  /** The header of the frame that was read. */
  const virtio_net_hdr_mrg_rxbuf& header() const { return header_; }

  /** Makes a packet of the frame of `length` bytes that was read. */
  Packet packet(uint32_t length) {
    missing_ = buffers_of(length);
    return join_buffers(pool_, buffers_, length);
  }

 private:
  void place(uint32_t index, uint32_t buffer) {
    buffers_[index] = buffer;
    vector_[1 + index] =
        index == 0 ? iovec{pool_.payload(buffer), kPayloadCapacity} : iovec{pool_.header(buffer), kBufferBytes};
  }

  BufferPool& pool_;
  virtio_net_hdr_mrg_rxbuf header_{};
  uint32_t missing_ = kBuffers;  // of the first places
  uint32_t buffers_[kBuffers] = {};
  iovec vector_[kVectors] = {};
};

}  // namespace usvhost
