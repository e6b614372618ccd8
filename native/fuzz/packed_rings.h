// SPDX-License-Identifier: Apache-2.0
// pods.h with packed rings, of a size that is no power of two.
#pragma once

#include "fuzz/pods.h"

namespace usvhost::fuzz {

constexpr uint16_t kPackedSize = kSize - 1;

struct PackedRings {
  /** `start` is a position of SET_VRING_BASE, made to lie in the ring. */
  void reset(uint8_t* memory, uint16_t start) {
    ring.desc = reinterpret_cast<vring_packed_desc*>(memory);
    ring.driver = reinterpret_cast<vring_packed_desc_event*>(memory + 512);
    ring.device = reinterpret_cast<vring_packed_desc_event*>(memory + 576);
    ring.size = kPackedSize;
    next = begin = {static_cast<uint16_t>((start & 0x7fff) % kPackedSize), (start & 0x8000) != 0};
    // What was used in the lap before, so that nothing is available.
    for (uint16_t i = 0; i < kPackedSize; i++) {
      PackedPosition at{i, i < begin.index ? begin.wrap : !begin.wrap};
      ring.desc[i].flags = at.used_flags();
    }
  }
  void attach(DeviceQueue& queue, uint16_t, uint64_t features) const { queue.attach(ring, begin.word(), features); }
  /** Leaves availability as it is; the id stands where a split descriptor has its next index. */
  void describe(uint8_t slot, const vring_desc& descriptor) {
    vring_packed_desc* to = &ring.desc[slot % kPackedSize];
    uint16_t bits = to->flags & (kPackedAvail | kPackedUsed);
    *to = {descriptor.addr, descriptor.len, descriptor.next, static_cast<uint16_t>((descriptor.flags & 7) | bits)};
  }
  /** Makes the next few entries available as they are, the first one last. */
  void offer(Input& input) {
    uint32_t count = 1 + input.byte() % 4;
    for (uint32_t i = count; i-- != 0;) {
      PackedPosition at = next;
      at.advance(i, kPackedSize);
      uint16_t flags = ring.desc[at.index].flags;
      ring.desc[at.index].flags = static_cast<uint16_t>((flags & 7) | at.avail_flags());
    }
    next.advance(count, kPackedSize);
  }
  /** Any flags in any entry, and any event that the driver waits for. */
  void jump(Input& input) {
    ring.desc[input.byte() % kPackedSize].flags = input.number<uint16_t>();
    ring.driver->flags = input.byte() % 4;
    ring.driver->off_wrap = input.number<uint16_t>();
  }
  void check(const DeviceQueue& queue) const {
    PackedPosition at = packed_base(queue.base());
    expect(at.index < kPackedSize);
  }
  /** Eight bytes of descriptors, also of two neighbours, or of the event structure. */
  uint8_t* word(Input& input) const {
    uint8_t at = input.byte();
    return at < 16 ? reinterpret_cast<uint8_t*>(ring.driver) : reinterpret_cast<uint8_t*>(ring.desc) + (at - 16);
  }
  uint8_t* slot(uint8_t n) const { return reinterpret_cast<uint8_t*>(&ring.desc[n % kPackedSize]); }
  /** What a second writer may put into a slot, as two words: as available as what is there. */
  void rewritten(uint8_t n, const vring_desc& descriptor, uint64_t (&words)[2]) const {
    vring_desc entry = descriptor;
    uint16_t bits = ring.desc[n % kPackedSize].flags & (kPackedAvail | kPackedUsed);
    entry.flags = static_cast<uint16_t>((descriptor.flags & 7) | bits);
    write_entry(reinterpret_cast<uint8_t*>(words), entry);
  }
  static void write_entry(uint8_t* to, const vring_desc& entry) {
    vring_packed_desc packed{entry.addr, entry.len, entry.next, entry.flags};
    memcpy(to, &packed, sizeof packed);
  }

  PackedRing ring;
  PackedPosition next, begin;
};

}  // namespace usvhost::fuzz
