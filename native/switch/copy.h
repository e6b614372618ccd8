// SPDX-License-Identifier: Apache-2.0
// The one copy of the switch: from the sender's transmit buffer straight into the receiver's receive buffer.
// Both are foreign memory: every length here comes from our own checked numbers, never from the bytes themselves.
#pragma once

#include <cstdint>
#include <cstring>

#include "virtio/device_chain.h"

namespace usvhost {

/** memcpy for short frames without a call; long ones go to the C library, which knows the processor best. */
inline void copy_bytes(uint8_t* to, const uint8_t* from, uint32_t length) {
  if (length > 256) {
    std::memcpy(to, from, length);
    return;
  }
  if (length < 16) {
    for (uint32_t i = 0; i < length; i++) to[i] = from[i];
    return;
  }
  uint32_t done = 0;
  for (; done + 16 <= length; done += 16) std::memcpy(to + done, from + done, 16);
  // The last, partial block overlaps the one before it.
  if (done != length) std::memcpy(to + length - 16, from + length - 16, 16);
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
