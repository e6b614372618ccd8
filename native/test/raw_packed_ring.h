// SPDX-License-Identifier: Apache-2.0
// A packed ring written word by word: a driver that follows virtio 1.2, 2.8 when it is asked to, and anything else besides. It
// keeps its own count of entries, from which it works out each wrap counter anew.
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "test/guest_memory.h"
#include "virtio/packed_ring.h"

namespace usvhost::test {

class RawPackedRing {
 public:
  struct Piece {
    uint64_t address;
    uint32_t length;
    uint16_t flags = 0;
  };
  struct Used {
    uint16_t id;
    uint32_t length;
    bool written;
  };
  static size_t bytes(uint16_t size) { return PackedRing::desc_bytes(size) + 128; }

  /** Lays out and clears a ring at `memory` (64-byte aligned, bytes(size) long). */
  void attach(uint8_t* memory, uint16_t size) {
    std::memset(memory, 0, bytes(size));
    ring_.desc = reinterpret_cast<vring_packed_desc*>(memory);
    ring_.driver = reinterpret_cast<vring_packed_desc_event*>(memory + PackedRing::desc_bytes(size));
    ring_.device = reinterpret_cast<vring_packed_desc_event*>(memory + PackedRing::desc_bytes(size) + 64);
    ring_.size = size;
    offered_ = used_ = 0;
    want_calls(VRING_PACKED_EVENT_FLAG_DISABLE);
  }
  const PackedRing& ring() const { return ring_; }
  /** The same ring in the back-end's mapping. */
  PackedRing in(const GuestMemory& memory) const {
    auto there = [&](const void* pointer, size_t length) {
      return memory.table().translate_user(guest_address(pointer), length);
    };
    return {reinterpret_cast<vring_packed_desc*>(there(ring_.desc, PackedRing::desc_bytes(ring_.size))),
            reinterpret_cast<vring_packed_desc_event*>(there(ring_.driver, 4)),
            reinterpret_cast<vring_packed_desc_event*>(there(ring_.device, 4)), ring_.size};
  }

  /** Entries that are neither offered nor waiting to be taken back. */
  uint32_t room() const { return static_cast<uint32_t>(ring_.size - (offered_ - used_)); }
  uint64_t offered() const { return offered_; }

  /** Makes one chain available, its first descriptor last. The id stands in its last descriptor only, as a hostile driver would. */
  void offer(const std::vector<Piece>& pieces, uint16_t id) {
    for (size_t i = pieces.size(); i-- != 0;) {
      bool last = i + 1 == pieces.size();
      auto flags = static_cast<uint16_t>(pieces[i].flags | (last ? 0 : VRING_DESC_F_NEXT) | avail_flags(offered_ + i));
      vring_packed_desc* desc = at(offered_ + i);
      __atomic_store_n(&desc->addr, __le64{pieces[i].address}, __ATOMIC_RELAXED);
      // One word, as the device loads it: it may look at any moment.
      uint64_t word = pieces[i].length | uint64_t{last ? id : uint16_t{0xdead}} << 32 | uint64_t{flags} << 48;
      __atomic_store_n(reinterpret_cast<uint64_t*>(&desc->len), word, __ATOMIC_RELEASE);
    }
    offered_ += pieces.size();
  }
  /** The next used element, if there is one; `entries` is what its chain took. */
  std::optional<Used> take(uint32_t entries = 1) {
    // The word that the device stores, whole: the thread sanitizer knows no order between accesses of two sizes.
    uint64_t word = __atomic_load_n(reinterpret_cast<const uint64_t*>(&at(used_)->len), __ATOMIC_ACQUIRE);
    auto flags = static_cast<uint16_t>(word >> 48);
    uint16_t used = lap(used_) ? uint16_t{kPackedAvail | kPackedUsed} : uint16_t{0};
    if (used_ == offered_ || (flags & (kPackedAvail | kPackedUsed)) != used) return {};
    used_ += entries;
    return Used{static_cast<uint16_t>(word >> 32), static_cast<uint32_t>(word), (flags & VRING_DESC_F_WRITE) != 0};
  }

  void want_calls(uint16_t flags, uint16_t position = 0) {
    __atomic_store_n(reinterpret_cast<uint32_t*>(ring_.driver), position | uint32_t{flags} << 16, __ATOMIC_RELAXED);
  }
  /** Position and flags with which the device asks for kicks. */
  uint32_t device_event() const {
    return __atomic_load_n(reinterpret_cast<const uint32_t*>(ring_.device), __ATOMIC_RELAXED);
  }
  uint16_t device_flags() const { return static_cast<uint16_t>(device_event() >> 16); }
  /** Index and wrap counter of the entry with this number, counted from the start. */
  uint16_t position(uint64_t number) const {
    return static_cast<uint16_t>(number % ring_.size | (lap(number) ? 0x8000u : 0u));
  }
  bool lap(uint64_t number) const { return number / ring_.size % 2 == 0; }
  uint16_t avail_flags(uint64_t number) const { return lap(number) ? kPackedAvail : kPackedUsed; }
  vring_packed_desc* at(uint64_t number) const { return &ring_.desc[number % ring_.size]; }

 private:
  PackedRing ring_;
  uint64_t offered_ = 0;
  uint64_t used_ = 0;
};

}  // namespace usvhost::test
