// SPDX-License-Identifier: Apache-2.0
// The one copy of the switch: from the sender's transmit buffer straight into the receiver's receive buffer.
// Both are foreign memory: every length here comes from our own checked numbers, never from the bytes themselves.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "virtio/device_chain.h"

namespace usvhost {

/** memcpy for short frames without a call; long ones go to the C library, which knows the processor best. */
[[gnu::always_inline]] inline void copy_bytes(uint8_t* to, const uint8_t* from, uint32_t length) {
  if (length > 256) {
    std::memcpy(to, from, length);
    return;
  }
  // Whole blocks from the front, and as many from the end, which overlap them: no loop for most lengths.
  auto blocks = [&]<uint32_t kCount>(std::integral_constant<uint32_t, kCount>, uint32_t at) {
    for (uint32_t i = 0; i < kCount; i++) std::memcpy(to + at + 16 * i, from + at + 16 * i, 16);
  };
  using One = std::integral_constant<uint32_t, 1>;
  using Two = std::integral_constant<uint32_t, 2>;
  using Four = std::integral_constant<uint32_t, 4>;
  if (length >= 64) {
    for (uint32_t done = 0; done + 64 < length; done += 64) blocks(Four{}, done);
    blocks(Four{}, length - 64);
  } else if (length >= 32) {
    blocks(Two{}, 0);
    blocks(Two{}, length - 32);
  } else if (length >= 16) {
    blocks(One{}, 0);
    blocks(One{}, length - 16);
  } else {
    for (uint32_t i = 0; i < length; i++) to[i] = from[i];
  }
}

/** Copies `length` bytes out of a scattered buffer, from byte `skip` on; the caller has checked that they are there. */
inline void gather(uint8_t* to, const BufferPiece* from, uint64_t skip, uint32_t length) {
  while (skip >= from->length && length != 0) skip -= (from++)->length;
  while (length != 0) {
    uint32_t piece = from->length - static_cast<uint32_t>(skip);
    if (piece > length) piece = length;
    copy_bytes(to, from->data + skip, piece);
    to += piece;
    length -= piece;
    skip = 0;
    from++;
  }
}

/** Reads a scattered buffer from its start on, a part at a time; the caller has checked that the bytes are there. */
class GatherCursor {
 public:
  explicit GatherCursor(const BufferPiece* from) : from_(from) {}
  void copy(uint8_t* to, uint32_t length) {
    while (length != 0) {
      if (done_ == from_->length) {
        from_++;
        done_ = 0;
        continue;
      }
      uint32_t part = from_->length - done_;
      if (part > length) part = length;
      copy_bytes(to, from_->data + done_, part);
      to += part;
      length -= part;
      done_ += part;
    }
  }

 private:
  const BufferPiece* from_;
  uint32_t done_ = 0;  // bytes of the first piece
};

/** Copies `length` bytes into a scattered buffer, from byte `skip` on; the caller has checked that they fit. */
inline void scatter(const BufferPiece* to, uint64_t skip, const uint8_t* from, uint32_t length) {
  while (skip >= to->length && length != 0) skip -= (to++)->length;
  while (length != 0) {
    uint32_t piece = to->length - static_cast<uint32_t>(skip);
    if (piece > length) piece = length;
    copy_bytes(to->data + skip, from, piece);
    from += piece;
    length -= piece;
    skip = 0;
    to++;
  }
}

}  // namespace usvhost
