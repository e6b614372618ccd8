// SPDX-License-Identifier: Apache-2.0
// When the other side wants to be notified, for the device: by flags, or by the index at which it wants to hear of us. A queue
// takes one of the two as its policy; each has the same members for each kind of ring.
#pragma once

#include "virtio/guest_word.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** virtio 1.2, 2.7.7 and 2.7.10 without VIRTIO_F_EVENT_IDX. */
struct FlagSuppression {
  static bool call_wanted(const SplitRing& ring, uint16_t /*old_used*/, uint16_t /*new_used*/) {
    return (load_once(&ring.avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
  }
  static void want_kicks(const SplitRing& ring, uint16_t /*last_avail*/) {
    store_plain(&ring.used->flags, uint16_t{0});
  }
  static void refuse_kicks(const SplitRing& ring, uint16_t /*last_avail*/) {
    store_plain(&ring.used->flags, uint16_t{VRING_USED_F_NO_NOTIFY});
  }
};

/**
 * The same with VIRTIO_F_EVENT_IDX: each side names the index whose passing it wants to hear of, behind the last entry of its
 * own ring, and flags say nothing.
 */
struct EventIndexSuppression {
  /** The driver named the entry `used_event`: a call when this burst has completed it. */
  static bool call_wanted(const SplitRing& ring, uint16_t old_used, uint16_t new_used) {
    uint16_t event = load_once(&ring.avail->ring[ring.size]);
    return vring_need_event(event, new_used, old_used) != 0;
  }
  static void want_kicks(const SplitRing& ring, uint16_t last_avail) {
    store_plain(&ring.used->flags, uint16_t{0});
    store_plain(avail_event(ring), last_avail);
  }
  /** An index that was passed already: the driver reaches it again after 65536 entries, with one kick too many. */
  static void refuse_kicks(const SplitRing& ring, uint16_t last_avail) {
    store_plain(&ring.used->flags, uint16_t{0});
    store_plain(avail_event(ring), static_cast<uint16_t>(last_avail - 1));
  }

 private:
  static uint16_t* avail_event(const SplitRing& ring) {
    return reinterpret_cast<uint16_t*>(&ring.used->ring[ring.size]);
  }
};

}  // namespace usvhost
