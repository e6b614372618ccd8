// SPDX-License-Identifier: Apache-2.0
// The three areas of a packed virtqueue (virtio 1.2, 2.8) and the arithmetic of its positions, for both sides. No rule about
// who may write.
#pragma once

#include <cstddef>
#include <cstdint>

#include "virtio/split_ring.h"
#include "virtio/uapi.h"

namespace usvhost {

/** Any size, not only powers of two (virtio 1.2, 2.8.10.1). */
inline constexpr bool valid_packed_size(uint32_t size) { return size != 0 && size <= kMaxQueueSize; }

inline constexpr uint16_t kPackedAvail = 1u << VRING_PACKED_DESC_F_AVAIL;
inline constexpr uint16_t kPackedUsed = 1u << VRING_PACKED_DESC_F_USED;

struct PackedRing {
  vring_packed_desc* desc = nullptr;
  vring_packed_desc_event* driver = nullptr;  // written by the driver: which calls it wants
  vring_packed_desc_event* device = nullptr;  // written by the device: which kicks it wants
  uint16_t size = 0;

  static constexpr size_t desc_bytes(size_t size) { return sizeof(vring_packed_desc) * size; }
  /** The event structures, in the places of a split ring's avail and used areas. */
  static constexpr size_t avail_bytes(size_t /*size*/) { return sizeof(vring_packed_desc_event); }
  static constexpr size_t used_bytes(size_t /*size*/) { return sizeof(vring_packed_desc_event); }
  static constexpr uint64_t kDescAlign = 16;
  static constexpr uint64_t kAvailAlign = 4;
  static constexpr uint64_t kUsedAlign = 4;
};
static_assert(sizeof(vring_packed_desc) == 16 && sizeof(vring_packed_desc_event) == 4);

/** An entry of the ring and the lap it is in: the wrap counter of virtio 1.2, 2.8.1, which begins with 1. */
struct PackedPosition {
  uint16_t index = 0;
  bool wrap = true;

  /** `entries` is at most the ring's size. */
  void advance(uint32_t entries, uint16_t size) {
    uint32_t next = index + entries;
    if (next >= size) {
      next -= size;
      wrap = !wrap;
    }
    index = static_cast<uint16_t>(next);
  }
  /** As it stands in an event structure and in each half of GET/SET_VRING_BASE: the index, and the counter in bit 15. */
  uint16_t word() const { return static_cast<uint16_t>(index | (wrap ? 0x8000u : 0u)); }
  static PackedPosition from_word(uint16_t word) {
    return {static_cast<uint16_t>(word & 0x7fff), (word & 0x8000) != 0};
  }

  /** Flags that mark a descriptor at this position available, and used (2.8.1: both bits equal when it is used). */
  uint16_t avail_flags() const { return wrap ? kPackedAvail : kPackedUsed; }
  uint16_t used_flags() const { return wrap ? uint16_t{kPackedAvail | kPackedUsed} : uint16_t{0}; }
  bool is_avail(uint16_t flags) const { return (flags & (kPackedAvail | kPackedUsed)) == avail_flags(); }
  bool is_used(uint16_t flags) const { return (flags & (kPackedAvail | kPackedUsed)) == used_flags(); }
};

/**
 * Where to go on from, out of the two positions of SET_VRING_BASE (vhost-user, "Vring state"): avail in the low half, used in
 * the high one, both with their wrap counters. Buffers between the two were taken by a former back-end and are taken again.
 * A front-end that knows the low half only, as DPDK's, leaves the other one 0.
 */
inline PackedPosition packed_base(uint32_t base) {
  return PackedPosition::from_word(static_cast<uint16_t>(base >> 16 != 0 ? base >> 16 : base));
}

}  // namespace usvhost
