// SPDX-License-Identifier: Apache-2.0
// The driver (front-end) side of a split virtqueue, without I/O. One descriptor a buffer. The back-end's used
// entries are checked before they index anything: an id must be below the size and outstanding.
#pragma once

#include <cstring>
#include <vector>

#include "virtio/guest_word.h"
#include "virtio/split_ring.h"

namespace usvhost {

class SplitDriverQueue {
 public:
  /** Bytes of shared memory for a queue of `size` entries; each area starts on a cache line of its own. */
  static size_t bytes(uint16_t size) { return used_offset(size) + round(SplitRing::used_bytes(size)); }

  /** Lays the ring out at `memory` (64-byte aligned, bytes(size) long) and resets it. */
  void attach(uint8_t* memory, uint16_t size) {
    ring_.desc = reinterpret_cast<vring_desc*>(memory);
    ring_.avail = reinterpret_cast<vring_avail*>(memory + round(SplitRing::desc_bytes(size)));
    ring_.used = reinterpret_cast<vring_used*>(memory + used_offset(size));
    ring_.size = size;
    mask_ = static_cast<uint16_t>(size - 1);
    cookies_.assign(size, kFree);
    free_.resize(size);
    reset();
  }

  /** Empty ring, indices 0, calls refused. The caller has reclaimed the buffers with for_each_outstanding(). */
  void reset() {
    std::memset(ring_.desc, 0, bytes(ring_.size));
    for (uint16_t i = 0; i < ring_.size; i++) {
      cookies_[i] = kFree;
      free_[i] = static_cast<uint16_t>(ring_.size - 1 - i);
    }
    free_top_ = ring_.size;
    avail_ = published_ = last_used_ = 0;
    broken_ = false;
    refuse_calls();
  }

  uint16_t free_entries() const { return free_top_; }

  /** Adds one buffer; `cookie` comes back from take_used(). The caller has checked free_entries(). */
  void add(uint64_t address, uint32_t length, bool device_writes, uint32_t cookie) {
    uint16_t id = free_[--free_top_];
    cookies_[id] = cookie;
    vring_desc descriptor{address, length, static_cast<uint16_t>(device_writes ? VRING_DESC_F_WRITE : 0), 0};
    std::memcpy(&ring_.desc[id], &descriptor, sizeof descriptor);
    store_plain(&ring_.avail->ring[avail_ & mask_], id);
    avail_++;
  }

  /** Makes all added buffers visible with one store. Returns whether there were any. */
  bool publish() {
    if (published_ == avail_) return false;
    // Fence [A2]: release orders descriptors and entries before the index (pairs with the device's [A1]).
    store_release(&ring_.avail->idx, avail_);
    published_ = avail_;
    return true;
  }

  /** After publish(): whether the device asks for a kick. Runs the full fence [D2], once a burst. */
  bool kick_wanted() const {
    full_fence();
    return (load_once(&ring_.used->flags) & VRING_USED_F_NO_NOTIFY) == 0;
  }

  /** Completions that take_used() has not returned; 0 once broken. */
  uint16_t used_entries() {
    // Fence [B2]: acquire pairs with the device's [B1].
    uint16_t count = static_cast<uint16_t>(load_acquire(&ring_.used->idx) - last_used_);
    if (count > ring_.size - free_top_) [[unlikely]]
      broken_ = true;
    return broken_ ? 0 : count;
  }

  /** Takes the next completion; false marks the queue broken (an id that is not outstanding). */
  bool take_used(uint32_t& cookie, uint32_t& written) {
    const vring_used_elem* element = &ring_.used->ring[last_used_ & mask_];
    uint32_t id = load_once(&element->id);
    written = load_once(&element->len);
    if (id >= ring_.size || cookies_[id] == kFree) [[unlikely]] {
      broken_ = true;
      return false;
    }
    cookie = cookies_[id];
    cookies_[id] = kFree;
    free_[free_top_++] = static_cast<uint16_t>(id);
    last_used_++;
    return true;
  }

  /** The caller runs full_fence() afterwards and checks used_entries() again: fence [C2]. */
  void want_calls() { store_plain(&ring_.avail->flags, uint16_t{0}); }
  void refuse_calls() { store_plain(&ring_.avail->flags, uint16_t{VRING_AVAIL_F_NO_INTERRUPT}); }

  template <class Visit>
  void for_each_outstanding(Visit visit) const {
    for (uint32_t cookie : cookies_) {
      if (cookie != kFree) visit(cookie);
    }
  }

  bool broken() const { return broken_; }
  const SplitRing& ring() const { return ring_; }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  static size_t round(size_t value) { return (value + 63) / 64 * 64; }
  static size_t used_offset(uint16_t size) {
    return round(SplitRing::desc_bytes(size)) + round(SplitRing::avail_bytes(size));
  }

  SplitRing ring_;
  std::vector<uint32_t> cookies_;
  std::vector<uint16_t> free_;
  uint16_t mask_ = 0;
  uint16_t free_top_ = 0;
  uint16_t avail_ = 0;
  uint16_t published_ = 0;
  uint16_t last_used_ = 0;
  bool broken_ = false;
};

}  // namespace usvhost
