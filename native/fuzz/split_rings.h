// SPDX-License-Identifier: Apache-2.0
// pods.h with split rings.
#pragma once

#include "fuzz/pods.h"
#include "virtio/split_driver.h"

namespace usvhost::fuzz {

struct SplitRings {
  void reset(uint8_t* memory, uint16_t start) {
    SplitDriverQueue layout;
    layout.attach(memory, kSize);
    ring = layout.ring();
    ring.avail->idx = ring.used->idx = start;
  }
  void attach(DeviceQueue& queue, uint16_t start, uint64_t features) const { queue.attach(ring, start, features); }
  void describe(uint8_t slot, const vring_desc& descriptor) { ring.desc[slot] = descriptor; }
  void offer(Input& input) {
    ring.avail->ring[ring.avail->idx % kSize] = static_cast<uint16_t>(input.byte() % (kSize + 1));
    ring.avail->idx++;
  }
  void jump(Input& input) { ring.avail->idx = static_cast<uint16_t>(ring.avail->idx + input.byte() % 32); }
  void check(const DeviceQueue& queue) const { expect(load_once(&ring.used->idx) == queue.base()); }
  /** Eight bytes of indices, heads and events. */
  uint8_t* word(Input& input) const {
    return reinterpret_cast<uint8_t*>(ring.avail) +
           input.byte() % (SplitRing::avail_bytes(kSize) - sizeof(uint64_t) + 1);
  }
  uint8_t* slot(uint8_t n) const { return reinterpret_cast<uint8_t*>(&ring.desc[n]); }
  /** What a second writer may put into a slot, as two words. */
  void rewritten(uint8_t, const vring_desc& descriptor, uint64_t (&words)[2]) const {
    write_entry(reinterpret_cast<uint8_t*>(words), descriptor);
  }
  static void write_entry(uint8_t* to, const vring_desc& entry) { memcpy(to, &entry, sizeof entry); }

  SplitRing ring;
};

}  // namespace usvhost::fuzz
