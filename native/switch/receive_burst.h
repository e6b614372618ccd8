// SPDX-License-Identifier: Apache-2.0
// The receiver's side of a burst: buffers out of the chains of a receive queue, frames copied into them, and the chains given
// back. Nothing is visible to the driver before complete(), so it never sees a part of a frame.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/cpu.h"
#include "offload/cursor.h"
#include "switch/copy.h"
#include "switch/frame.h"
#include "virtio/net_header.h"

namespace usvhost {

/** Most buffers that one frame may take: 64 KiB in buffers of 512 bytes. A frame that needs more is too large for its receiver. */
inline constexpr uint32_t kMaxMerged = 128;

template <class Header, class Queue>
class ReceiveBurst {
 public:
  /** `mergeable`: VIRTIO_NET_F_MRG_RXBUF was negotiated, so that a frame may take several buffers (virtio 1.2, 5.1.6.4). */
  ReceiveBurst(Queue& queue, const RegionTable& memory, Scratch& scratch, bool mergeable)
      : queue_(queue), memory_(memory), scratch_(scratch), mark_(scratch.mark()), mergeable_(mergeable) {
    queue_.begin();
  }
  ~ReceiveBurst() { scratch_.release(mark_); }
  ReceiveBurst(const ReceiveBurst&) = delete;
  ReceiveBurst& operator=(const ReceiveBurst&) = delete;

  /**
   * Finds up to `wanted` more buffers and prefetches them, so that the copies do not wait. Once a buffer cannot be had there are
   * no more in this burst; those before it are good.
   */
  void reserve(uint32_t wanted) {
    if (exhausted_) return;
    wanted = std::min(wanted, kMaxTargets - reserved_);
    uint32_t at = reserved_;
    uint32_t found = queue_.look_ahead(&chains_[at], wanted);
    exhausted_ = found < wanted;
    for (uint32_t end = at + found; at < end; at++) {
      if (reserve_one(chains_[at], targets_[at])) continue;
      exhausted_ = true;
      break;
    }
    reserved_ = at;
  }

  /**
   * The frames at `indices` from the first one on, for as long as each lies in one piece and fits one buffer of one piece; adds
   * their bytes to `bytes`. Returns how many that were; what is left is for deliver().
   */
  uint32_t deliver_simple(const Frame* frames, const uint8_t* indices, uint32_t count, uint64_t& bytes) {
    uint32_t taken = taken_;
    count = std::min(count, reserved_ - taken);
    uint64_t sum = 0;
    uint32_t i = 0;
    for (; i < count; i++, taken++) {
      const Frame& frame = frames[indices[i]];
      const Target& target = targets_[taken];
      uint64_t whole = uint64_t{Header::kBytes} + frame.length;
      if (frame.list != nullptr || target.piece_count != 0 || target.capacity < whole) [[unlikely]]
        break;
      write_simple(target.buffer, frame);
      chains_[taken].written = static_cast<uint32_t>(whole);
      sum += frame.length;
    }
    taken_ = taken;
    bytes += sum;
    return i;
  }

  enum class Result : uint8_t { kDelivered, kTooSmall, kNoBuffer };

  /** Copies one frame into the next buffer, or the next few. A buffer that is too small stays for a frame that fits. */
  Result deliver(const Frame& frame) {
    if (taken_ == reserved_) [[unlikely]] {
      if (mergeable_) reserve(1);
      if (taken_ == reserved_) return Result::kNoBuffer;
    }
    const Target& target = targets_[taken_];
    uint64_t bytes = uint64_t{Header::kBytes} + frame.length;
    if (target.capacity < bytes) [[unlikely]]
      return mergeable_ ? deliver_merged(frame, bytes) : Result::kTooSmall;
    if (target.piece_count == 0 && frame.list == nullptr) {
      write_simple(target.buffer, frame);
    } else {
      BufferPiece own[2];
      GatherCursor from(frame.pieces(own));
      write_first(target, 1, from, frame.length);
    }
    chains_[taken_++].written = static_cast<uint32_t>(bytes);
    return Result::kDelivered;
  }

  /**
   * A frame that is made while it is written: `make` gets a cursor behind the header and writes `length` bytes there. `header`
   * is written with the number of buffers.
   */
  template <class Make>
  Result deliver_made(virtio_net_hdr_mrg_rxbuf header, uint32_t length, Make make) {
    if (taken_ > kBurst) make_room();
    if (taken_ == reserved_) reserve(kBurst);  // segments are more than the frames that were counted on
    if (taken_ == reserved_) return Result::kNoBuffer;
    uint64_t bytes = uint64_t{Header::kBytes} + length;
    uint32_t count = 1;
    if (targets_[taken_].capacity < bytes) {
      if (!mergeable_) return Result::kTooSmall;
      if (Result result = find_merged(bytes, count); result != Result::kDelivered) return result;
    }
    BufferPiece whole;
    const BufferPiece* pieces = list_pieces(count, whole);
    if (pieces == nullptr) return Result::kTooSmall;
    header.num_buffers = static_cast<uint16_t>(count);
    PieceCursor to(pieces);
    to.write(reinterpret_cast<const uint8_t*>(&header), Header::kBytes);
    make(to);
    for (uint32_t i = 0; i < count; i++) {
      uint64_t part = std::min<uint64_t>(targets_[taken_ + i].capacity, bytes);
      chains_[taken_ + i].written = static_cast<uint32_t>(part);
      bytes -= part;
    }
    taken_ += count;
    return Result::kDelivered;
  }

  /** Whether anything was given back or is to be by complete(), so that the driver may want to know. */
  bool any() const { return taken_ != 0 || given_back_; }
  /** Makes what was delivered visible, all at once: the driver may be reading entries of the same cache lines. */
  void complete() {
    if (taken_ != 0) queue_.complete(chains_, taken_);
  }

 private:
  struct Target {
    uint8_t* buffer;
    uint32_t capacity;
    uint32_t piece_count;  // 0: `buffer` is all of it
    BufferPiece* pieces;
  };
  static constexpr uint32_t kMaxTargets = 2 * kBurst + kMaxMerged;

  bool reserve_one(Chain& chain, Target& target) {
    vring_desc descriptor;
    if (!queue_.take(chain, descriptor)) return false;
    if (descriptor.flags == VRING_DESC_F_WRITE && descriptor.len != 0) [[likely]] {
      uint8_t* data = memory_.translate(descriptor.addr, descriptor.len);
      if (data != nullptr) [[likely]] {
        target = {data, descriptor.len, 0, nullptr};
        // The header is rarely changed, the frame always.
        prefetch_read(data);
        prefetch_write(data + Header::kBytes);
        return true;
      }
    }
    if (!scratch_.has_room()) return false;
    PieceList pieces{scratch_.free()};
    if (!queue_.template walk<Direction::kWritable>(chain, descriptor, memory_, pieces)) return false;
    scratch_.take(pieces.count);
    target = {nullptr, static_cast<uint32_t>(std::min<uint64_t>(pieces.total, UINT32_MAX)), pieces.count, pieces.out};
    return true;
  }

  [[gnu::always_inline]] static void write_simple(uint8_t* buffer, const Frame& frame) {
    Header::write(buffer);
    copy_bytes(buffer + Header::kBytes, frame.single.data, frame.length);
    frame.write_ethernet(buffer + Header::kBytes);
  }

  /** In the middle of a burst of frames that take many buffers each: gives back those that are full. */
  void make_room() {
    complete();
    given_back_ = true;
    reserved_ -= taken_;
    std::memmove(chains_, chains_ + taken_, reserved_ * sizeof *chains_);
    std::memmove(targets_, targets_ + taken_, reserved_ * sizeof *targets_);
    taken_ = 0;
  }

  /** How many buffers from the next one on `bytes` take, all of them reserved; kDelivered when they are there. */
  Result find_merged(uint64_t bytes, uint32_t& count) {
    // num_buffers must lie in the first one; a driver that posts less breaks 5.1.6.3.1 and only keeps its own frames away.
    if (targets_[taken_].capacity < Header::kBytes) return Result::kTooSmall;
    uint64_t room = 0;
    count = 0;
    while (room < bytes) {
      if (count == kMaxMerged) return Result::kTooSmall;
      if (taken_ + count == reserved_) {
        // As many as it takes when the others are as large as the first one.
        uint64_t more = (bytes - room) / targets_[taken_].capacity + 1;
        reserve(static_cast<uint32_t>(std::min<uint64_t>(more, kMaxMerged - count)));
        if (taken_ + count == reserved_) return Result::kNoBuffer;
      }
      room += targets_[taken_ + count++].capacity;
    }
    return Result::kDelivered;
  }

  /** The pieces of the next `count` buffers, in `whole` or in scratch space; null when they are too many. */
  const BufferPiece* list_pieces(uint32_t count, BufferPiece& whole) {
    const Target& first = targets_[taken_];
    whole = {first.buffer, first.capacity};
    if (count == 1) return first.piece_count == 0 ? &whole : first.pieces;
    if (!scratch_.has_room()) return nullptr;
    BufferPiece* list = scratch_.free();
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
      const Target& target = targets_[taken_ + i];
      uint32_t pieces = std::max(target.piece_count, 1u);
      if (used + pieces > kMaxQueueSize) return nullptr;
      if (target.piece_count == 0) {
        list[used] = {target.buffer, target.capacity};
      } else {
        std::copy_n(target.pieces, pieces, list + used);
      }
      used += pieces;
    }
    return list;
  }

  /** A frame that is longer than the next buffer: as many buffers as it takes, or none. */
  Result deliver_merged(const Frame& frame, uint64_t bytes) {
    if (taken_ > kBurst) make_room();
    uint32_t count;
    if (Result result = find_merged(bytes, count); result != Result::kDelivered) return result;
    BufferPiece own[2];
    GatherCursor from(frame.pieces(own));
    uint32_t left = frame.length;
    for (uint32_t i = 0; i < count; i++) {
      const Target& target = targets_[taken_ + i];
      uint32_t skip = i == 0 ? Header::kBytes : 0;
      uint32_t part = std::min(target.capacity - skip, left);
      if (i == 0) {
        write_first(target, static_cast<uint16_t>(count), from, part);
      } else {
        write_pieces(target, 0, from, part);
      }
      chains_[taken_ + i].written = skip + part;
      left -= part;
    }
    taken_ += count;
    return Result::kDelivered;
  }

  /** The header, wherever the buffer is cut, and `length` bytes behind it. */
  static void write_first(const Target& target, uint16_t buffers, GatherCursor& from, uint32_t length) {
    if (target.piece_count == 0) {
      Header::write(target.buffer, buffers);
    } else {
      uint8_t header[Header::kBytes] = {};
      Header::write(header, buffers);
      scatter(target.pieces, 0, header, Header::kBytes);
    }
    write_pieces(target, Header::kBytes, from, length);
  }
  static void write_pieces(const Target& target, uint32_t skip, GatherCursor& from, uint32_t length) {
    BufferPiece whole{target.buffer, target.capacity};
    const BufferPiece* to = target.piece_count == 0 ? &whole : target.pieces;
    while (length != 0) {
      while (skip >= to->length) skip -= (to++)->length;
      uint32_t part = std::min(length, to->length - skip);
      from.copy(to->data + skip, part);
      skip += part;
      length -= part;
    }
  }

  Queue& queue_;
  const RegionTable& memory_;
  Scratch& scratch_;
  uint32_t mark_;
  uint32_t reserved_ = 0;
  uint32_t taken_ = 0;
  bool mergeable_;
  bool exhausted_ = false;
  bool given_back_ = false;
  Chain chains_[kMaxTargets];
  Target targets_[kMaxTargets];
};

}  // namespace usvhost
