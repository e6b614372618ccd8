// SPDX-License-Identifier: Apache-2.0
// The driver (front-end) side of a packed virtqueue (virtio 1.2, 2.8), without I/O. The device writes into the descriptors,
// so all that we need to know later is kept in private memory, and a used id must be outstanding before it indexes anything.
#pragma once

#include <cstring>
#include <vector>

#include "virtio/driver_slot.h"
#include "virtio/guest_word.h"
#include "virtio/packed_ring.h"

namespace usvhost {

/** `kInOrder`: VIRTIO_F_IN_ORDER is negotiated (2.8.9); a buffer's id is then the index of its first descriptor. */
template <bool kInOrder>
class PackedDriverQueue {
 public:
  static constexpr bool kPacked = true;

  static size_t bytes(uint16_t size) { return round(PackedRing::desc_bytes(size)) + 2 * kLine; }

  /** Lays the ring out at `memory` (64-byte aligned, bytes(size) long) and resets it. */
  void attach(uint8_t* memory, uint16_t size) {
    ring_.desc = reinterpret_cast<vring_packed_desc*>(memory);
    ring_.driver = reinterpret_cast<vring_packed_desc_event*>(memory + round(PackedRing::desc_bytes(size)));
    ring_.device = reinterpret_cast<vring_packed_desc_event*>(memory + round(PackedRing::desc_bytes(size)) + kLine);
    ring_.size = size;
    slots_.resize(size);
    if constexpr (!kInOrder) free_ids_.resize(size);
    reset();
  }

  /** Empty ring, both positions at its beginning, calls refused. */
  void reset(bool event_index = false) {
    std::memset(ring_.desc, 0, bytes(ring_.size));
    for (uint16_t i = 0; i < ring_.size; i++) {
      slots_[i] = {};
      if constexpr (!kInOrder) free_ids_[i] = static_cast<uint16_t>(ring_.size - 1 - i);
    }
    free_entries_ = free_id_count_ = ring_.size;
    next_avail_ = next_used_ = {};
    added_ = published_entries_ = 0;
    event_index_ = event_index;
    batch_open_ = broken_ = false;
    refuse_calls();
  }

  uint16_t free_entries() const { return free_entries_; }

  void add(uint64_t address, uint32_t length, bool device_writes, uint32_t cookie) {
    add_one(address, length, device_writes ? VRING_DESC_F_WRITE : 0, cookie);
  }
  void add_chain(const Piece* pieces, uint16_t count, uint32_t cookie) {
    uint16_t id = take_id(count, cookie);
    for (uint16_t i = 0; i < count; i++) {
      write(pieces[i].address, pieces[i].length, i + 1 == count ? 0 : VRING_DESC_F_NEXT, id);
    }
  }
  void add_table(uint64_t table, uint16_t count, uint32_t cookie) {
    add_one(table, static_cast<uint32_t>(count * sizeof(vring_packed_desc)), VRING_DESC_F_INDIRECT, cookie);
  }
  /** Entries of a table follow one another, and only WRITE has a meaning among their flags (2.8.7). */
  static void write_table(uint8_t* to, const Piece* pieces, uint16_t count) {
    for (uint16_t i = 0; i < count; i++) {
      vring_packed_desc descriptor{pieces[i].address, pieces[i].length, 0, 0};
      std::memcpy(to + i * sizeof descriptor, &descriptor, sizeof descriptor);
    }
  }

  /** The device waits at the first added descriptor; with its flags all that was added becomes visible. */
  bool publish() {
    if (added_ == 0) return false;
    // Fence [A2]: release orders all descriptors before the first one's flags (pairs with the device's [A1]).
    store_release(&ring_.desc[first_].flags, first_flags_);
    published_entries_ = added_;
    added_ = 0;
    return true;
  }

  /** After publish(): whether the device asks for a kick (2.8.8). Runs the full fence [D2], once a burst. */
  bool kick_wanted() const {
    full_fence();
    // Offset and flags belong together: one load.
    uint32_t both = load_once(reinterpret_cast<const uint32_t*>(ring_.device));
    auto flags = static_cast<uint16_t>((both >> 16) & 3);
    if (flags == VRING_PACKED_EVENT_FLAG_DISABLE) return false;
    if (flags != VRING_PACKED_EVENT_FLAG_DESC || !event_index_) return true;
    PackedPosition event = PackedPosition::from_word(static_cast<uint16_t>(both));
    auto index = static_cast<uint16_t>(event.wrap == next_avail_.wrap ? event.index : event.index - ring_.size);
    return vring_need_event(index, next_avail_.index, static_cast<uint16_t>(next_avail_.index - published_entries_)) !=
           0;
  }

  /** An upper bound of what take_used() returns now; 0 when it is nothing. */
  uint16_t used_entries() {
    if (broken_) return 0;
    if (batch_open_ || next_used_.is_used(load_once(&ring_.desc[next_used_.index].flags))) return ring_.size;
    return 0;
  }

  /** Takes the next completion; false: there is none, or the queue is broken. */
  bool take_used(Completion& out) {
    uint32_t id = next_used_.index;
    if (!batch_open_) {
      const vring_packed_desc* descriptor = &ring_.desc[next_used_.index];
      // Fence [B2]: acquire pairs with the device's [B1].
      if (broken_ || !next_used_.is_used(load_acquire(&descriptor->flags))) return false;
      uint16_t named = load_once(&descriptor->id);
      batch_written_ = load_once(&descriptor->len);
      if (named >= ring_.size || slots_[named].cookie == DriverSlot::kFree) [[unlikely]] {
        broken_ = true;
        return false;
      }
      if constexpr (kInOrder) {
        batch_last_ = named;
      } else {
        id = named;
      }
    }
    DriverSlot& slot = slots_[id];
    out.cookie = slot.cookie;
    out.written = batch_written_;
    if constexpr (kInOrder) {
      out.whole = id != batch_last_;
      batch_open_ = out.whole;
    } else {
      out.whole = false;
      free_ids_[free_id_count_++] = static_cast<uint16_t>(id);
    }
    slot.cookie = DriverSlot::kFree;
    next_used_.advance(slot.entries, ring_.size);
    free_entries_ = static_cast<uint16_t>(free_entries_ + slot.entries);
    return true;
  }

  /** The caller runs full_fence() afterwards and checks used_entries() again: fence [C2]. */
  void want_calls() { store_plain(&ring_.driver->flags, uint16_t{VRING_PACKED_EVENT_FLAG_ENABLE}); }
  void refuse_calls() { store_plain(&ring_.driver->flags, uint16_t{VRING_PACKED_EVENT_FLAG_DISABLE}); }

  template <class Visit>
  void for_each_outstanding(Visit visit) const {
    for (const DriverSlot& slot : slots_) {
      if (slot.cookie != DriverSlot::kFree) visit(slot.cookie);
    }
  }

  bool broken() const { return broken_; }
  const PackedRing& ring() const { return ring_; }

 private:
  static constexpr size_t kLine = 64;
  static size_t round(size_t value) { return (value + kLine - 1) / kLine * kLine; }

  void add_one(uint64_t address, uint32_t length, unsigned flags, uint32_t cookie) {
    write(address, length, flags, take_id(1, cookie));
  }
  uint16_t take_id(uint16_t entries, uint32_t cookie) {
    uint16_t id = next_avail_.index;
    if constexpr (!kInOrder) id = free_ids_[--free_id_count_];
    slots_[id] = {cookie, entries, 0};
    return id;
  }
  void write(uint64_t address, uint32_t length, unsigned flags, uint16_t id) {
    vring_packed_desc descriptor{address, length, id, static_cast<uint16_t>(flags | next_avail_.avail_flags())};
    vring_packed_desc* to = &ring_.desc[next_avail_.index];
    if (added_++ == 0) {
      // All but its flags, for which publish() waits.
      std::memcpy(to, &descriptor, offsetof(vring_packed_desc, flags));
      first_ = next_avail_.index;
      first_flags_ = descriptor.flags;
    } else {
      std::memcpy(to, &descriptor, sizeof descriptor);
    }
    free_entries_--;
    next_avail_.advance(1, ring_.size);
  }

  PackedRing ring_;
  std::vector<DriverSlot> slots_;   // by id
  std::vector<uint16_t> free_ids_;  // in any order
  PackedPosition next_avail_;
  PackedPosition next_used_;
  uint16_t free_entries_ = 0;
  uint16_t free_id_count_ = 0;
  uint16_t added_ = 0;              // descriptors since the last publish()
  uint16_t published_entries_ = 0;  // those of the last publish()
  uint16_t first_ = 0;
  uint16_t first_flags_ = 0;
  bool event_index_ = false;
  bool broken_ = false;
  bool batch_open_ = false;  // in order: some of the buffers that one used descriptor stands for are not taken yet
  uint16_t batch_last_ = 0;
  uint32_t batch_written_ = 0;
};

}  // namespace usvhost
