// SPDX-License-Identifier: Apache-2.0
// A back-end's virtqueue of whatever kind its front-end has negotiated. The kind is asked for once a burst, by visit(); what is
// done for each frame is compiled for it.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "virtio/features.h"
#include "virtio/packed_device.h"
#include "virtio/split_device.h"

namespace usvhost {

class DeviceQueue {
 public:
  /** `base` as in GET_VRING_BASE; `features` are those that were negotiated. */
  void attach(const SplitRing& ring, uint32_t base, uint64_t features) {
    attach_as<SplitDeviceQueue>(ring, static_cast<uint16_t>(base), features);
  }
  /** A base has two positions; from the used one on the ring still holds what was available (see packed_base()). */
  void attach(const PackedRing& ring, uint32_t base, uint64_t features) {
    attach_as<PackedDeviceQueue>(ring, packed_base(base), features);
  }

  /** Calls `use` with the queue as what it is. */
  template <class Use>
  decltype(auto) visit(Use&& use) {
    return std::visit(std::forward<Use>(use), queue_);
  }
  template <class Use>
  decltype(auto) visit(Use&& use) const {
    return std::visit(std::forward<Use>(use), queue_);
  }

  bool pending() {
    return visit([](auto& queue) { return queue.pending(); });
  }
  AvailWord avail_word() const {
    return visit([](const auto& queue) { return queue.avail_word(); });
  }
  void want_kicks() {
    visit([](auto& queue) { queue.want_kicks(); });
  }
  void refuse_kicks() {
    visit([](auto& queue) { queue.refuse_kicks(); });
  }
  /** What GET_VRING_BASE reports. */
  uint32_t base() const {
    return visit([](const auto& queue) { return queue.base(); });
  }
  RingError error() const {
    return visit([](const auto& queue) { return queue.error(); });
  }

 private:
  template <template <class> class Queue, class Ring, class Base>
  void attach_as(const Ring& ring, Base base, uint64_t features) {
    bool indirect = (features & feature_bit(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
    if ((features & feature_bit(VIRTIO_RING_F_EVENT_IDX)) != 0) {
      queue_.template emplace<Queue<EventIndexSuppression>>().attach(ring, base, indirect);
    } else {
      queue_.template emplace<Queue<FlagSuppression>>().attach(ring, base, indirect);
    }
  }

  std::variant<SplitDeviceQueue<FlagSuppression>, SplitDeviceQueue<EventIndexSuppression>,
               PackedDeviceQueue<FlagSuppression>, PackedDeviceQueue<EventIndexSuppression>>
      queue_;
};

}  // namespace usvhost
