// SPDX-License-Identifier: Apache-2.0
// The device (back-end) side of a split virtqueue, without I/O. Everything in the ring is written by an attacker who
// keeps writing: indices of our own stay private, each guest word is loaded once, every walk is bounded, and the
// first impossible value breaks the queue for good.
#pragma once

#include "memory/region_table.h"
#include "virtio/guest_word.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** Why a queue is broken; describe() gives the words. */
enum class RingError : uint8_t { kNone, kAvailIndex, kHead, kNext, kLoop, kDirection, kAddress, kIndirect };

inline const char* describe(RingError error) {
  switch (error) {
    case RingError::kNone: return "no error";
    case RingError::kAvailIndex: return "expected at most queue size new avail entries, got more";
    case RingError::kHead: return "expected an avail entry below the queue size, got one beyond";
    case RingError::kNext: return "expected a next index below the queue size, got one beyond";
    case RingError::kLoop: return "expected a descriptor chain no longer than the queue, got a longer one (a loop)";
    case RingError::kDirection:
      return "expected descriptors of one direction (device-readable on transmit, writable on receive)";
    case RingError::kAddress: return "expected a descriptor inside the shared memory, got one outside";
    case RingError::kIndirect: return "expected no indirect descriptor (not negotiated), got one";
  }
  return "unknown";
}

/** A piece of a buffer, already translated and checked. */
struct BufferPiece {
  uint8_t* data;
  uint32_t length;
};

/** Notification suppression by flags (virtio 1.2, 2.7.7 and 2.7.10); event idx becomes a second policy of this shape. */
struct FlagSuppression {
  static bool call_wanted(const SplitRing& ring, uint16_t /*old_used*/, uint16_t /*new_used*/) {
    return (load_once(&ring.avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
  }
  static void want_kicks(const SplitRing& ring, uint16_t /*last_avail*/) {
    store_plain(&ring.used->flags, uint16_t{0});
  }
  static void refuse_kicks(const SplitRing& ring) { store_plain(&ring.used->flags, uint16_t{VRING_USED_F_NO_NOTIFY}); }
};

enum class Direction : uint8_t { kReadable, kWritable };

template <class Suppression = FlagSuppression>
class SplitDeviceQueue {
 public:
  /** `base` is the index to go on from (SET_VRING_BASE): avail and used go together, since completion is in order. */
  void attach(const SplitRing& ring, uint16_t base) {
    ring_ = ring;
    mask_ = static_cast<uint16_t>(ring.size - 1);
    last_avail_ = used_ = signalled_ = base;
    error_ = RingError::kNone;
  }

  /** Chains that the driver has made available and that advance() has not passed; 0 on a broken queue. */
  uint16_t available() {
    // Fence [A1]: acquire pairs with the driver's release store of avail->idx, entries and descriptors come after.
    uint16_t count = static_cast<uint16_t>(load_acquire(&ring_.avail->idx) - last_avail_);
    if (count > ring_.size) [[unlikely]] {
      fail(RingError::kAvailIndex);
      return 0;
    }
    return error_ == RingError::kNone ? count : 0;
  }

  /** Head of the `ahead`-th available chain; false (and broken) when it is not below the queue size. */
  bool head(uint16_t ahead, uint16_t& out) {
    out = load_once(&ring_.avail->ring[(last_avail_ + ahead) & mask_]);
    if (out < ring_.size) [[likely]]
      return true;
    return fail(RingError::kHead);
  }
  const vring_desc* descriptor(uint16_t index) const { return &ring_.desc[index]; }

  /**
   * Walks the chain that starts with `first` (a private copy of a descriptor), translating each piece. Empty pieces are
   * left out but counted. `room` segments fit in `out`; a chain never has more than the queue size.
   */
  template <Direction kDirection>
  bool walk(vring_desc first, const RegionTable& memory, BufferPiece* out, uint32_t& count, uint64_t& total) {
    constexpr uint16_t kWanted = kDirection == Direction::kWritable ? VRING_DESC_F_WRITE : 0;
    count = 0;
    total = 0;
    for (uint32_t seen = 1;; seen++) {
      if (seen > ring_.size) return fail(RingError::kLoop);
      if ((first.flags & VRING_DESC_F_INDIRECT) != 0) return fail(RingError::kIndirect);
      if ((first.flags & VRING_DESC_F_WRITE) != kWanted) return fail(RingError::kDirection);
      if (first.len != 0) {
        uint8_t* data = memory.translate(first.addr, first.len);
        if (data == nullptr) return fail(RingError::kAddress);
        out[count++] = {data, first.len};
        total += first.len;
      }
      if ((first.flags & VRING_DESC_F_NEXT) == 0) return true;
      if (first.next >= ring_.size) return fail(RingError::kNext);
      first = load_descriptor(&ring_.desc[first.next]);
    }
  }

  /** Passes `count` available chains; each of them must be completed with push_used() in the same pass. */
  void advance(uint16_t count) { last_avail_ = static_cast<uint16_t>(last_avail_ + count); }

  /** Completes a chain; not visible to the driver before publish(). */
  void push_used(uint16_t head_index, uint32_t written) {
    // Two words: elements are aligned to 4 bytes only, and one of them may straddle a cache line.
    vring_used_elem* element = &ring_.used->ring[used_ & mask_];
    store_plain(&element->id, uint32_t{head_index});
    store_plain(&element->len, written);
    used_++;
  }

  /** Makes all completions visible at once: one store a burst, of our own counter (the guest's copy is never read). */
  void publish() {
    // Fence [B1]: release orders the elements and the frame bytes before the index (pairs with the driver's [B2]).
    store_release(&ring_.used->idx, used_);
  }

  /** After publish(): whether the driver asks for a call. Runs the full fence [C1]; once a burst, never once a frame. */
  bool call_wanted() {
    full_fence();
    uint16_t old = signalled_;
    signalled_ = used_;
    return Suppression::call_wanted(ring_, old, used_);
  }

  /** The caller runs full_fence() after the last want_kicks() and then checks available() again: fence [D1]. */
  void want_kicks() { Suppression::want_kicks(ring_, last_avail_); }
  void refuse_kicks() { Suppression::refuse_kicks(ring_); }

  /** Index to report in GET_VRING_BASE. */
  uint16_t last_avail() const { return last_avail_; }
  RingError error() const { return error_; }
  uint16_t size() const { return ring_.size; }

 private:
  bool fail(RingError error) {
    if (error_ == RingError::kNone) error_ = error;
    return false;
  }

  SplitRing ring_;
  uint16_t mask_ = 0;
  uint16_t last_avail_ = 0;
  uint16_t used_ = 0;
  uint16_t signalled_ = 0;
  RingError error_ = RingError::kNone;
};

}  // namespace usvhost
