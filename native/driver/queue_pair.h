// SPDX-License-Identifier: Apache-2.0
// One pair of queues in any of the forms that can be negotiated. The form is looked up once a burst; all of a burst then
// runs in code that was compiled for it.
#pragma once

#include <algorithm>
#include <variant>

#include "driver/receive_side.h"
#include "driver/transmit_side.h"
#include "virtio/features.h"
#include "virtio/packed_driver.h"
#include "virtio/split_driver.h"

namespace usvhost {

/** What a connection has agreed on that rings depend on. */
struct Agreement {
  uint64_t features = 0;
  uint16_t mtu = 0;  // largest payload of a frame that is sent in one piece; 0: not said
  uint64_t mac = 0;  // the back-end's address for us, unicast; 0: not asked for, or not said
};

template <class Queue>
struct QueuePairOf {
  QueuePairOf(BufferPool& pool, DriverCounters& counters) : receive(pool, counters), transmit(pool, counters) {}
  ReceiveSide<Queue> receive;
  TransmitSide<Queue> transmit;
};

class QueuePair {
 public:
  /** `rings` is 64-byte aligned shared memory of bytes(size), into which each form fits. */
  QueuePair(BufferPool& pool, DriverCounters& counters, uint8_t* rings, uint16_t size)
      : pool_(pool),
        counters_(counters),
        rings_(rings),
        size_(size),
        form_(std::in_place_type<Split<false>>, pool, counters) {
    take_form(0);
  }
  static size_t bytes(uint16_t size) { return 2 * queue_bytes(size); }

  /** Calls `visit` with the QueuePairOf that is in use; once a burst. */
  template <class Visit>
  decltype(auto) visit(Visit visit) {
    return std::visit(visit, form_);
  }

  /** Empties the rings of the old connection and makes those of a new one. */
  void reset(const Agreement& agreement) {
    uint64_t features = agreement.features;
    visit([](auto& pair) {
      pair.transmit.release();
      pair.receive.release();
    });
    take_form(features);
    bool event_index = has(features, VIRTIO_RING_F_EVENT_IDX);
    visit([&](auto& pair) {
      pair.transmit.start({event_index, has(features, VIRTIO_RING_F_INDIRECT_DESC), (features & kSendOffloads) != 0,
                           agreement.mtu == 0 ? UINT32_MAX : agreement.mtu + kFrameOverhead});
      pair.receive.start(event_index, has(features, VIRTIO_NET_F_MRG_RXBUF));
    });
  }

 private:
  template <bool kInOrder>
  using Split = QueuePairOf<BasicSplitDriverQueue<kInOrder>>;
  template <bool kInOrder>
  using Packed = QueuePairOf<PackedDriverQueue<kInOrder>>;

  static bool has(uint64_t features, unsigned bit) { return (features & feature_bit(bit)) != 0; }
  static size_t queue_bytes(uint16_t size) {
    return std::max(BasicSplitDriverQueue<false>::bytes(size), PackedDriverQueue<false>::bytes(size));
  }

  void take_form(uint64_t features) {
    bool in_order = has(features, VIRTIO_F_IN_ORDER);
    if (has(features, VIRTIO_F_RING_PACKED)) {
      in_order ? take<Packed<true>>() : take<Packed<false>>();
    } else {
      in_order ? take<Split<true>>() : take<Split<false>>();
    }
  }
  template <class Form>
  void take() {
    Form& form = form_.emplace<Form>(pool_, counters_);
    form.receive.queue().attach(rings_, size_);
    form.transmit.queue().attach(rings_ + queue_bytes(size_), size_);
  }

  BufferPool& pool_;
  DriverCounters& counters_;
  uint8_t* rings_;
  uint16_t size_;
  std::variant<Split<false>, Split<true>, Packed<false>, Packed<true>> form_;
};

}  // namespace usvhost
