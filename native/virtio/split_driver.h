// SPDX-License-Identifier: Apache-2.0
// The driver (front-end) side of a split virtqueue, without I/O. The back-end's used entries are checked before they
// index anything: an id must be below the size and outstanding, and in order it must be one of those that the index counts.
#pragma once

#include <cstring>
#include <vector>

#include "virtio/driver_slot.h"
#include "virtio/guest_word.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** `kInOrder`: VIRTIO_F_IN_ORDER is negotiated (virtio 1.2, 2.7.9); descriptors are then used in the order of the table. */
template <bool kInOrder>
class BasicSplitDriverQueue {
 public:
  static constexpr bool kPacked = false;

  /** Bytes of shared memory for a queue of `size` entries; each area starts on a cache line of its own. */
  static size_t bytes(uint16_t size) { return used_offset(size) + round(SplitRing::used_bytes(size)); }

  /** Lays the ring out at `memory` (64-byte aligned, bytes(size) long) and resets it. */
  void attach(uint8_t* memory, uint16_t size) {
    ring_.desc = reinterpret_cast<vring_desc*>(memory);
    ring_.avail = reinterpret_cast<vring_avail*>(memory + round(SplitRing::desc_bytes(size)));
    ring_.used = reinterpret_cast<vring_used*>(memory + used_offset(size));
    ring_.size = size;
    mask_ = static_cast<uint16_t>(size - 1);
    slots_.resize(size);
    if constexpr (!kInOrder) free_.resize(size);
    reset();
  }

  /** Empty ring, indices 0, calls refused. The caller has reclaimed the buffers with for_each_outstanding(). */
  void reset(bool event_index = false) {
    std::memset(ring_.desc, 0, bytes(ring_.size));
    for (uint16_t i = 0; i < ring_.size; i++) {
      slots_[i] = {};
      if constexpr (!kInOrder) free_[i] = static_cast<uint16_t>(ring_.size - 1 - i);
    }
    free_entries_ = ring_.size;
    next_index_ = avail_ = published_ = before_ = last_used_ = seen_ = 0;
    event_index_ = event_index;
    batch_open_ = broken_ = false;
    refuse_calls();
  }

  /** Descriptors that may be added. */
  uint16_t free_entries() const { return free_entries_; }

  /** Adds one buffer; `cookie` comes back from take_used(). The caller has checked free_entries(). */
  void add(uint64_t address, uint32_t length, bool device_writes, uint32_t cookie) {
    add_one(address, length, device_writes ? VRING_DESC_F_WRITE : 0, cookie);
  }
  /** Adds one device-readable buffer of several pieces, a descriptor for each. */
  void add_chain(const Piece* pieces, uint16_t count, uint32_t cookie) {
    uint16_t head = take_index();
    uint16_t index = head;
    for (uint16_t i = 0; i < count; i++) {
      bool last = i + 1 == count;
      uint16_t next = last ? uint16_t{0} : take_index();
      describe(index, pieces[i].address, pieces[i].length, last ? 0 : VRING_DESC_F_NEXT, next);
      if constexpr (!kInOrder) slots_[index].order = next;
      index = next;
    }
    announce(head, count, cookie);
  }
  /** Adds one device-readable buffer whose pieces stand in the table that write_table() has filled (2.7.5.3). */
  void add_table(uint64_t table, uint16_t count, uint32_t cookie) {
    add_one(table, static_cast<uint32_t>(count * sizeof(vring_desc)), VRING_DESC_F_INDIRECT, cookie);
  }
  /** `to` is 16-byte aligned shared memory. */
  static void write_table(uint8_t* to, const Piece* pieces, uint16_t count) {
    for (uint16_t i = 0; i < count; i++) {
      bool last = i + 1 == count;
      vring_desc descriptor{pieces[i].address, pieces[i].length, static_cast<uint16_t>(last ? 0 : VRING_DESC_F_NEXT),
                            static_cast<uint16_t>(last ? 0 : i + 1)};
      std::memcpy(to + i * sizeof descriptor, &descriptor, sizeof descriptor);
    }
  }

  /** Makes all added buffers visible with one store. Returns whether there were any. */
  bool publish() {
    if (published_ == avail_) return false;
    // Fence [A2]: release orders descriptors and entries before the index (pairs with the device's [A1]).
    store_release(&ring_.avail->idx, avail_);
    before_ = published_;
    published_ = avail_;
    return true;
  }

  /** After publish(): whether the device asks for a kick. Runs the full fence [D2], once a burst. */
  bool kick_wanted() const {
    full_fence();
    if (event_index_) {
      // The word behind the used ring names the entry whose coming the device wants to hear of (2.7.10).
      const auto* event = reinterpret_cast<const uint16_t*>(&ring_.used->ring[ring_.size]);
      return vring_need_event(load_once(event), published_, before_) != 0;
    }
    return (load_once(&ring_.used->flags) & VRING_USED_F_NO_NOTIFY) == 0;
  }

  /** Completions that take_used() has not returned; 0 once broken. */
  uint16_t used_entries() {
    // Fence [B2]: acquire pairs with the device's [B1].
    seen_ = load_acquire(&ring_.used->idx);
    auto count = static_cast<uint16_t>(seen_ - last_used_);
    if (count > static_cast<uint16_t>(avail_ - last_used_)) [[unlikely]]
      broken_ = true;
    return broken_ ? 0 : count;
  }

  /** Takes the next of used_entries(); false marks the queue broken (an id that is not outstanding). */
  bool take_used(Completion& out) {
    if constexpr (kInOrder) return take_in_order(out);
    const vring_used_elem* element = &ring_.used->ring[last_used_ & mask_];
    uint32_t id = load_once(&element->id);
    out.written = load_once(&element->len);
    out.whole = false;
    if (id >= ring_.size || slots_[id].cookie == DriverSlot::kFree) [[unlikely]] {
      broken_ = true;
      return false;
    }
    DriverSlot& slot = slots_[id];
    out.cookie = slot.cookie;
    slot.cookie = DriverSlot::kFree;
    auto index = static_cast<uint16_t>(id);
    for (uint16_t entries = slot.entries;;) {
      free_[free_entries_++] = index;
      if (--entries == 0) [[likely]]
        break;
      index = slots_[index].order;
    }
    last_used_++;
    return true;
  }

  /** The caller runs full_fence() afterwards and checks used_entries() again: fence [C2]. */
  void want_calls() {
    if (event_index_) {
      store_plain(used_event(), last_used_);
    } else {
      store_plain(&ring_.avail->flags, uint16_t{0});
    }
  }
  void refuse_calls() {
    if (event_index_) {
      // An entry that has passed already: it comes round again after 65536, with one call too many.
      store_plain(used_event(), static_cast<uint16_t>(last_used_ - 1));
    } else {
      store_plain(&ring_.avail->flags, uint16_t{VRING_AVAIL_F_NO_INTERRUPT});
    }
  }

  template <class Visit>
  void for_each_outstanding(Visit visit) const {
    for (const DriverSlot& slot : slots_) {
      if (slot.cookie != DriverSlot::kFree) visit(slot.cookie);
    }
  }

  bool broken() const { return broken_; }
  const SplitRing& ring() const { return ring_; }

 private:
  static size_t round(size_t value) { return (value + 63) / 64 * 64; }
  static size_t used_offset(uint16_t size) {
    return round(SplitRing::desc_bytes(size)) + round(SplitRing::avail_bytes(size));
  }
  uint16_t* used_event() const { return &ring_.avail->ring[ring_.size]; }

  void add_one(uint64_t address, uint32_t length, unsigned flags, uint32_t cookie) {
    uint16_t id = take_index();
    describe(id, address, length, flags, 0);
    announce(id, 1, cookie);
  }
  uint16_t take_index() {
    if constexpr (kInOrder) {
      free_entries_--;
      uint16_t index = next_index_;
      next_index_ = static_cast<uint16_t>((index + 1) & mask_);
      return index;
    } else {
      return free_[--free_entries_];
    }
  }
  void describe(uint16_t index, uint64_t address, uint32_t length, unsigned flags, uint16_t next) {
    vring_desc descriptor{address, length, static_cast<uint16_t>(flags), next};
    std::memcpy(&ring_.desc[index], &descriptor, sizeof descriptor);
  }
  void announce(uint16_t head, uint16_t entries, uint32_t cookie) {
    slots_[head].cookie = cookie;
    slots_[head].entries = entries;
    auto* entry = &ring_.avail->ring[avail_ & mask_];
    if constexpr (kInOrder) {
      slots_[head].order = avail_;
      // In order and with one descriptor a buffer each entry keeps its value for ever, and its line is not written again.
      if (load_once(entry) != head) store_plain(entry, head);
    } else {
      store_plain(entry, head);
    }
    avail_++;
  }

  /** One used entry may stand for a batch: it names the last buffer, and those before it were used completely. */
  bool take_in_order(Completion& out) {
    if (!batch_open_) {
      const vring_used_elem* element = &ring_.used->ring[last_used_ & mask_];
      uint32_t id = load_once(&element->id);
      batch_written_ = load_once(&element->len);
      if (id >= ring_.size || slots_[id].cookie == DriverSlot::kFree ||
          static_cast<uint16_t>(slots_[id].order - last_used_) >= static_cast<uint16_t>(seen_ - last_used_))
          [[unlikely]] {
        broken_ = true;
        return false;
      }
      batch_last_ = static_cast<uint16_t>(id);
      batch_open_ = true;
    }
    uint16_t head = oldest();
    DriverSlot& slot = slots_[head];
    out.cookie = slot.cookie;
    out.written = batch_written_;
    out.whole = head != batch_last_;
    batch_open_ = out.whole;
    slot.cookie = DriverSlot::kFree;
    free_entries_ = static_cast<uint16_t>(free_entries_ + slot.entries);
    last_used_++;
    return true;
  }
  /** The head of the buffer that was added first: in order the table is a ring too. */
  uint16_t oldest() const { return static_cast<uint16_t>((next_index_ + free_entries_) & mask_); }

  SplitRing ring_;
  std::vector<DriverSlot> slots_;
  std::vector<uint16_t> free_;  // in any order: indices of free descriptors
  uint16_t mask_ = 0;
  uint16_t free_entries_ = 0;
  uint16_t next_index_ = 0;  // in order: the descriptor to take next
  uint16_t avail_ = 0;
  uint16_t published_ = 0;
  uint16_t before_ = 0;  // published_ before the last publish()
  uint16_t last_used_ = 0;
  uint16_t seen_ = 0;  // used->idx as last loaded
  bool event_index_ = false;
  bool broken_ = false;
  bool batch_open_ = false;
  uint16_t batch_last_ = 0;
  uint32_t batch_written_ = 0;
};

using SplitDriverQueue = BasicSplitDriverQueue<false>;

}  // namespace usvhost
