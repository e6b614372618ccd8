// SPDX-License-Identifier: Apache-2.0
// A split ring written word by word, with values that no driver of ours would write: the attacker's pen.
#pragma once

#include <cstring>

#include "virtio/split_driver.h"

namespace usvhost::test {

class RawRing {
 public:
  /** Lays out and clears a ring of `size` entries at `memory` (64-byte aligned, SplitDriverQueue::bytes(size) long). */
  void attach(uint8_t* memory, uint16_t size) {
    SplitDriverQueue layout;
    layout.attach(memory, size);
    ring_ = layout.ring();
    next_ = 0;
  }
  const SplitRing& ring() const { return ring_; }

  void describe(uint16_t index, uint64_t address, uint32_t length, uint16_t flags = 0, uint16_t next = 0) {
    vring_desc descriptor{address, length, flags, next};
    std::memcpy(&ring_.desc[index], &descriptor, sizeof descriptor);
  }
  /** Adds an avail entry, whatever it says, and publishes it. */
  void offer(uint16_t head) {
    store_plain(&ring_.avail->ring[next_ & (ring_.size - 1)], head);
    set_avail(static_cast<uint16_t>(next_ + 1));
  }
  void set_avail(uint16_t index) {
    next_ = index;
    store_release(&ring_.avail->idx, index);
  }
  uint16_t avail() const { return next_; }
  void set_used(uint16_t index) { store_release(&ring_.used->idx, index); }
  uint16_t used() const { return load_acquire(&ring_.used->idx); }
  vring_used_elem used_entry(uint16_t index) const { return ring_.used->ring[index & (ring_.size - 1)]; }
  void want_calls() { store_plain(&ring_.avail->flags, uint16_t{0}); }

 private:
  SplitRing ring_;
  uint16_t next_ = 0;
};

}  // namespace usvhost::test
