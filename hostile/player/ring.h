// SPDX-License-Identifier: Apache-2.0
// The avail and used side of a split ring (virtio 1.2, 2.7.6 and 2.7.8) as a driver that keeps the rules would handle it. What
// breaks them is written by the script word by word.
#pragma once

#include <cstdint>

#include "file.h"
#include "peer.h"

namespace hostile {

class Ring {
 public:
  Ring(const File& memory, uint64_t avail, uint64_t used, uint32_t size)
      : memory_(memory), avail_at_(avail), used_at_(used), size_(size) {}

  /** Makes one chain available. */
  void offer(uint16_t head) {
    auto* entry = reinterpret_cast<uint16_t*>(memory_.at(avail_at_ + 4 + uint64_t{2} * (avail_ % size_), 2));
    __atomic_store_n(entry, head, __ATOMIC_RELAXED);
    avail_++;
    __atomic_store_n(reinterpret_cast<uint16_t*>(memory_.at(avail_at_ + 2, 2)), avail_, __ATOMIC_RELEASE);
  }
  /** Chains that the device has not given back. */
  uint16_t outstanding() const {
    auto* used = reinterpret_cast<uint16_t*>(memory_.at(used_at_ + 2, 2));
    return static_cast<uint16_t>(avail_ - __atomic_load_n(used, __ATOMIC_ACQUIRE));
  }
  /** Waits until at most `most` are outstanding or the peer hangs up; false when neither comes in time. */
  bool wait(uint16_t most, const Peer& peer) const;

  /**
   * Offers the chains 0 … heads-1 in turns, `count` in all, each when the device has given it back, and kicks for each.
   * Ends early, and is content, when the peer hangs up.
   */
  bool traffic(uint32_t count, uint16_t heads, const File& kick, const Peer& peer);

 private:
  const File& memory_;
  uint64_t avail_at_;
  uint64_t used_at_;
  uint32_t size_;
  uint16_t avail_ = 0;
};

/** Adds to an eventfd; one that is full has a notification pending already. */
void signal(const File& event);

}  // namespace hostile
