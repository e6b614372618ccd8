// SPDX-License-Identifier: Apache-2.0
// When the other side wants to be notified, for the device: by flags, or by the index at which it wants to hear of us. A queue
// takes one of the two as its policy; each has the same members for each kind of ring.
#pragma once

#include "virtio/guest_word.h"
#include "virtio/packed_ring.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** Both words of an event structure of a packed ring at once (virtio 1.2, 2.8.10): offset and wrap counter, then flags. */
struct EventWord {
  uint16_t position;
  uint16_t flags;

  static EventWord load(const vring_packed_desc_event* event) {
    uint32_t word = load_once(reinterpret_cast<const uint32_t*>(event));
    return {static_cast<uint16_t>(word), static_cast<uint16_t>(word >> 16)};
  }
  void store(vring_packed_desc_event* event) const {
    store_plain(reinterpret_cast<uint32_t*>(event), position | uint32_t{flags} << 16);
  }
};

/** virtio 1.2, 2.7.7 and 2.7.10 without VIRTIO_F_EVENT_IDX, 2.8.10 with the flags that switch events on and off. */
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

  static bool call_wanted(const PackedRing& ring, PackedPosition, PackedPosition, bool) {
    return EventWord::load(ring.driver).flags != VRING_PACKED_EVENT_FLAG_DISABLE;
  }
  static void want_kicks(const PackedRing& ring, PackedPosition) {
    EventWord{0, VRING_PACKED_EVENT_FLAG_ENABLE}.store(ring.device);
  }
  static void refuse_kicks(const PackedRing& ring) { EventWord{0, VRING_PACKED_EVENT_FLAG_DISABLE}.store(ring.device); }
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

  /** `first`: nothing was signalled before, so that the driver may wait for any entry. */
  static bool call_wanted(const PackedRing& ring, PackedPosition old_used, PackedPosition new_used, bool first) {
    EventWord event = EventWord::load(ring.driver);
    if (event.flags == VRING_PACKED_EVENT_FLAG_DISABLE) return false;
    if (event.flags != VRING_PACKED_EVENT_FLAG_DESC || first) return true;
    // Entries of the lap before the one that `new_used` is in count from below zero.
    PackedPosition wanted = PackedPosition::from_word(event.position);
    auto distance = [&](PackedPosition position) {
      return static_cast<uint16_t>(position.index - (position.wrap != new_used.wrap ? ring.size : 0));
    };
    // All entries of the ring at once end where they began, a lap later.
    return vring_need_event(distance(wanted), new_used.index, distance(old_used)) != 0;
  }
  static void want_kicks(const PackedRing& ring, PackedPosition next) {
    EventWord{next.word(), VRING_PACKED_EVENT_FLAG_DESC}.store(ring.device);
  }
  static void refuse_kicks(const PackedRing& ring) { EventWord{0, VRING_PACKED_EVENT_FLAG_DISABLE}.store(ring.device); }

 private:
  static uint16_t* avail_event(const SplitRing& ring) {
    return reinterpret_cast<uint16_t*>(&ring.used->ring[ring.size]);
  }
};

}  // namespace usvhost
