// SPDX-License-Identifier: Apache-2.0
// The device (back-end) side of a packed virtqueue (virtio 1.2, 2.8), without I/O, with the members of SplitDeviceQueue and the
// same rules: positions of our own stay private, each guest word is loaded once, every walk is bounded, and the first
// impossible value breaks the queue for good. Buffers are used in order, so one position says what is taken and what is used.
#pragma once

#include "base/cpu.h"
#include "virtio/avail_word.h"
#include "virtio/device_chain.h"
#include "virtio/suppression.h"

namespace usvhost {

template <class Suppression = FlagSuppression>
class PackedDeviceQueue {
 public:
  /** `base` is the position to go on from; `indirect`: whether VIRTIO_F_INDIRECT_DESC was negotiated. */
  void attach(const PackedRing& ring, PackedPosition base, bool indirect = false) {
    ring_ = ring;
    next_ = ahead_ = signalled_ = base;
    taken_ = 0;
    indirect_ = indirect;
    signalled_valid_ = false;
    error_ = RingError::kNone;
  }

  /** Whether there is a chain to take. The caller asks error() too: a queue that breaks here has none. */
  bool pending() const {
    // Fence [A1]: acquire pairs with the driver's release store of the first descriptor's flags, the rest of the chain comes after.
    return error_ == RingError::kNone && next_.is_avail(load_acquire(&ring_.desc[next_.index].flags));
  }
  /** Of a queue of which nothing is taken: what to look at for pending(). */
  AvailWord avail_word() const {
    return {&ring_.desc[next_.index].flags, kPackedAvail | kPackedUsed, next_.avail_flags(), true};
  }

  /** Begins a burst: what was taken and not completed is to be taken again. */
  void begin() {
    ahead_ = next_;
    taken_ = 0;
  }

  /**
   * How many chains take() may be asked for: `count`, or 0 when there is none. Only take() can tell where a chain ends and
   * whether another one follows, so nothing is read here but the next descriptor.
   */
  uint32_t look_ahead(Chain* /*chains*/, uint32_t count) {
    const vring_packed_desc* desc = &ring_.desc[ahead_.index];
    if (error_ != RingError::kNone || !ahead_.is_avail(load_once(&desc->flags))) return 0;
    // A line holds four descriptors; the processor's own prefetching finds the ones behind them.
    prefetch_read(desc + 4);
    prefetch_read(desc + 8);
    return count;
  }

  /** Takes the next chain: a private copy of its first descriptor. False when the driver has made no more available. */
  bool take(Chain& chain, vring_desc& first) {
    chain = {0, 1, 0};
    return taken_ < ring_.size && load_next(first, chain.id);
  }

  /**
   * Walks the chain that take() began with `first`, translating each piece. Its descriptors follow each other in the ring; the
   * last one has its id (virtio 1.2, 2.8.6). A table stands alone and is read from end to end (2.8.7).
   */
  template <Direction kDirection>
  bool walk(Chain& chain, vring_desc first, const RegionTable& memory, PieceList& pieces) {
    if ((first.flags & VRING_DESC_F_INDIRECT) != 0) return walk_table<kDirection>(first, memory, pieces);
    for (;;) {
      if ((first.flags & VRING_DESC_F_INDIRECT) != 0) return fail(RingError::kIndirect);
      if (RingError error = pieces.add<kDirection>(first, memory); error != RingError::kNone) return fail(error);
      if ((first.flags & VRING_DESC_F_NEXT) == 0) return true;
      if (taken_ == ring_.size) return fail(RingError::kLoop);
      if (!load_next(first, chain.id)) return fail(RingError::kNext);
      chain.entries++;
    }
  }

  /**
   * Gives the `count` oldest taken chains back, visible to the driver all at once: it looks at the first one, which is written
   * last.
   */
  void complete(const Chain* chains, uint32_t count) {
    if (count == 0) return;
    const PackedRing ring = ring_;
    PackedPosition at = next_;
    uint32_t entries = 0;
    for (uint32_t i = 0; i < count; i++) {
      if (i != 0) store_plain(used_word(ring.desc[at.index]), used_value(at, chains[i]));
      at.advance(chains[i].entries, ring.size);
      entries += chains[i].entries;
    }
    // Fence [B1]: release orders the later elements and the frame bytes before the first one (pairs with the driver's [B2]).
    store_release(used_word(ring.desc[next_.index]), used_value(next_, chains[0]));
    next_ = at;
    taken_ -= entries;
  }

  /** After complete(): whether the driver asks for a call. Runs the full fence [C1]; once a burst, never once a frame. */
  bool call_wanted() {
    full_fence();
    PackedPosition old = signalled_;
    signalled_ = next_;
    // A driver may wait for an entry that our predecessor passed without telling it.
    bool first = !signalled_valid_;
    signalled_valid_ = true;
    return Suppression::call_wanted(ring_, old, next_, first);
  }

  /** The caller runs full_fence() after the last want_kicks() and then asks pending(): fence [D1]. */
  void want_kicks() { Suppression::want_kicks(ring_, next_); }
  void refuse_kicks() { Suppression::refuse_kicks(ring_); }

  /** What GET_VRING_BASE reports: the position of what is taken, and of what is used, which is the same (vhost-user, "Vring state"). */
  uint32_t base() const { return next_.word() | static_cast<uint32_t>(next_.word()) << 16; }
  RingError error() const { return error_; }
  uint16_t size() const { return ring_.size; }

 private:
  /** A private copy of the next descriptor, in the form of a split one; false when it is not available. */
  bool load_next(vring_desc& out, uint16_t& id) {
    const vring_packed_desc* desc = &ring_.desc[ahead_.index];
    // Length, id and flags in one load, before the address: fence [A1] as above.
    uint64_t word = load_acquire(reinterpret_cast<const uint64_t*>(&desc->len));
    auto flags = static_cast<uint16_t>(word >> 48);
    if (!ahead_.is_avail(flags)) return false;
    id = static_cast<uint16_t>(word >> 32);
    out = {load_once(&desc->addr), static_cast<uint32_t>(word), static_cast<uint16_t>(flags & kDescriptorFlags), 0};
    ahead_.advance(1, ring_.size);
    taken_++;
    return true;
  }

  template <Direction kDirection>
  bool walk_table(const vring_desc& first, const RegionTable& memory, PieceList& pieces) {
    if (!indirect_ || (first.flags & VRING_DESC_F_NEXT) != 0) return fail(RingError::kIndirect);
    IndirectTable table;
    if (!table.open(first, memory, ring_.size)) return fail(RingError::kTable);
    for (uint32_t i = 0; i < table.entries(); i++) {
      auto entry = table.load<vring_packed_desc>(i);
      // Next means nothing here: all entries belong to the chain.
      if ((entry.flags & VRING_DESC_F_INDIRECT) != 0) return fail(RingError::kIndirect);
      vring_desc piece{entry.addr, entry.len, entry.flags, 0};
      if (RingError error = pieces.add<kDirection>(piece, memory); error != RingError::kNone) return fail(error);
    }
    return true;
  }

  static uint64_t* used_word(vring_packed_desc& desc) { return reinterpret_cast<uint64_t*>(&desc.len); }
  /** Length, id and flags of a used element (2.8.4); a length is there only when something was written. */
  static uint64_t used_value(PackedPosition at, const Chain& chain) {
    auto flags = static_cast<uint16_t>(at.used_flags() | (chain.written != 0 ? VRING_DESC_F_WRITE : 0));
    return chain.written | uint64_t{chain.id} << 32 | uint64_t{flags} << 48;
  }

  bool fail(RingError error) {
    if (error_ == RingError::kNone) error_ = error;
    return false;
  }

  PackedRing ring_;
  PackedPosition next_;   // of the oldest chain that is not completed
  PackedPosition ahead_;  // of the next descriptor to take
  uint32_t taken_ = 0;    // entries between the two: never more than the ring has, whatever its flags say
  PackedPosition signalled_;
  bool signalled_valid_ = false;
  bool indirect_ = false;
  RingError error_ = RingError::kNone;
};
static_assert(offsetof(vring_packed_desc, len) == 8);

}  // namespace usvhost
