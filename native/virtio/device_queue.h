// SPDX-License-Identifier: Apache-2.0
// A back-end's virtqueue of whatever kind its front-end has negotiated. The kind is asked for once a burst, by visit(); what is
// done for each frame is compiled for it.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "virtio/features.h"
#include "virtio/split_device.h"

namespace usvhost {

class DeviceQueue {
 public:
  /** `base` as in SET_VRING_BASE; `features` are those that were negotiated. */
  void attach(const SplitRing& ring, uint32_t base, uint64_t features) {
    bool indirect = (features & feature_bit(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
    if ((features & feature_bit(VIRTIO_RING_F_EVENT_IDX)) != 0) {
      queue_.emplace<SplitDeviceQueue<EventIndexSuppression>>().attach(ring, static_cast<uint16_t>(base), indirect);
    } else {
      queue_.emplace<SplitDeviceQueue<FlagSuppression>>().attach(ring, static_cast<uint16_t>(base), indirect);
    }
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
  std::variant<SplitDeviceQueue<FlagSuppression>, SplitDeviceQueue<EventIndexSuppression>> queue_;
};

}  // namespace usvhost
