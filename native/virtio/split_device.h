// SPDX-License-Identifier: Apache-2.0
// The device (back-end) side of a split virtqueue, without I/O. Everything in the ring is written by an attacker who
// keeps writing: indices of our own stay private, each guest word is loaded once, every walk is bounded, and the
// first impossible value breaks the queue for good.
#pragma once

#include "base/cpu.h"
#include "virtio/avail_word.h"
#include "virtio/device_chain.h"
#include "virtio/suppression.h"

namespace usvhost {

template <class Suppression = FlagSuppression>
class SplitDeviceQueue {
 public:
  /**
   * `base` is the index to go on from (SET_VRING_BASE): avail and used go together, since completion is in order.
   * `indirect`: whether VIRTIO_F_INDIRECT_DESC was negotiated.
   */
  void attach(const SplitRing& ring, uint16_t base, bool indirect = false) {
    ring_ = ring;
    last_avail_ = ahead_ = end_ = used_ = signalled_ = base;
    indirect_ = indirect;
    signalled_valid_ = false;
    error_ = RingError::kNone;
  }

  /** Chains that the driver has made available and that complete() has not given back; 0 on a broken queue. */
  uint16_t available() {
    // Fence [A1]: acquire pairs with the driver's release store of avail->idx, entries and descriptors come after.
    uint16_t count = static_cast<uint16_t>(load_acquire(&ring_.avail->idx) - last_avail_);
    if (count > ring_.size) [[unlikely]] {
      fail(RingError::kAvailIndex);
      return 0;
    }
    return error_ == RingError::kNone ? count : 0;
  }
  /** Whether there is a chain to take. The caller asks error() too: a queue that breaks here has none. */
  bool pending() { return available() != 0; }
  /** Of a queue of which nothing is taken: what to look at for pending(). An impossible index counts as something, too. */
  AvailWord avail_word() const { return {&ring_.avail->idx, 0xffff, last_avail_, false}; }

  /** Begins a burst: what was taken and not completed is to be taken again. */
  void begin() {
    ahead_ = last_avail_;
    end_ = static_cast<uint16_t>(last_avail_ + available());
  }

  /**
   * Reads the heads of the next `count` chains into `chains` and prefetches their descriptors; take() then takes them one by
   * one. Returns how many there are, fewer when the driver has made no more available or a head is not below the queue size
   * (which breaks the queue, but not the chains before it).
   */
  uint32_t look_ahead(Chain* chains, uint32_t count) {
    // Members that a loop uses are copied: for the compiler any store might change them.
    const SplitRing ring = ring_;
    uint16_t ahead = ahead_;
    uint32_t left = static_cast<uint16_t>(end_ - ahead);
    if (count > left) count = left;
    for (uint32_t i = 0; i < count; i++) {
      uint16_t head = load_once(&ring.avail->ring[ahead & (ring.size - 1)]);
      if (head >= ring.size) [[unlikely]] {
        fail(RingError::kHead);
        ahead_ = end_ = ahead;
        return i;
      }
      chains[i] = Chain{head, 1, 0};
      ahead++;
      prefetch_read(&ring.desc[head]);
    }
    ahead_ = ahead;
    return count;
  }

  /** A private copy of the first descriptor of a chain that look_ahead() has found; false when there is none after all. */
  bool take(Chain& chain, vring_desc& first) {
    first = load_descriptor(&ring_.desc[chain.id]);
    return true;
  }

  /**
   * Walks the chain that take() began with `first`, translating each piece. A chain has at most as many pieces as the queue has
   * entries, those of an indirect table at its end included (virtio 1.2, 2.7.5.3).
   */
  template <Direction kDirection>
  bool walk(Chain& /*chain*/, vring_desc first, const RegionTable& memory, PieceList& pieces) {
    IndirectTable table;
    uint32_t entries = ring_.size;
    bool inside = false;
    for (uint32_t seen = 1;; seen++) {
      if ((first.flags & VRING_DESC_F_INDIRECT) != 0) {
        // Its write flag is to be ignored (2.7.5.3.2).
        if (!indirect_ || inside || (first.flags & VRING_DESC_F_NEXT) != 0) return fail(RingError::kIndirect);
        if (!table.open(first, memory, ring_.size)) return fail(RingError::kTable);
        inside = true;
        entries = table.entries();
        first = table.load<vring_desc>(0);
        if ((first.flags & VRING_DESC_F_INDIRECT) != 0) return fail(RingError::kIndirect);
      }
      if (seen > ring_.size) return fail(RingError::kLoop);
      if (RingError error = pieces.add<kDirection>(first, memory); error != RingError::kNone) return fail(error);
      if ((first.flags & VRING_DESC_F_NEXT) == 0) return true;
      if (first.next >= entries) return fail(RingError::kNext);
      first = inside ? table.load<vring_desc>(first.next) : load_descriptor(&ring_.desc[first.next]);
    }
  }

  /** Gives the `count` oldest taken chains back, visible to the driver all at once: one store of our own counter. */
  void complete(const Chain* chains, uint32_t count) {
    const SplitRing ring = ring_;
    uint16_t used = used_;
    for (uint32_t i = 0; i < count; i++) {
      // Two words: elements are aligned to 4 bytes only, and one of them may straddle a cache line.
      vring_used_elem* element = &ring.used->ring[used & (ring.size - 1)];
      store_plain(&element->id, uint32_t{chains[i].id});
      store_plain(&element->len, chains[i].written);
      used++;
    }
    used_ = used;
    last_avail_ = static_cast<uint16_t>(last_avail_ + count);
    // Fence [B1]: release orders the elements and the frame bytes before the index (pairs with the driver's [B2]).
    store_release(&ring_.used->idx, used_);
  }

  /** After complete(): whether the driver asks for a call. Runs the full fence [C1]; once a burst, never once a frame. */
  bool call_wanted() {
    full_fence();
    uint16_t old = signalled_;
    signalled_ = used_;
    // A driver may wait for an index that our predecessor passed without telling it.
    if (!signalled_valid_) [[unlikely]]
      old = static_cast<uint16_t>(used_ - ring_.size);
    signalled_valid_ = true;
    return Suppression::call_wanted(ring_, old, used_);
  }

  /** The caller runs full_fence() after the last want_kicks() and then asks pending(): fence [D1]. */
  void want_kicks() { Suppression::want_kicks(ring_, last_avail_); }
  void refuse_kicks() { Suppression::refuse_kicks(ring_, last_avail_); }

  /** What GET_VRING_BASE reports. */
  uint32_t base() const { return last_avail_; }
  RingError error() const { return error_; }
  uint16_t size() const { return ring_.size; }

 private:
  bool fail(RingError error) {
    if (error_ == RingError::kNone) error_ = error;
    return false;
  }

  SplitRing ring_;
  uint16_t last_avail_ = 0;
  uint16_t ahead_ = 0;  // the next head to look at
  uint16_t end_ = 0;    // the avail index that begin() saw
  uint16_t used_ = 0;
  uint16_t signalled_ = 0;
  bool signalled_valid_ = false;
  bool indirect_ = false;
  RingError error_ = RingError::kNone;
};

}  // namespace usvhost
