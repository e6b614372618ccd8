// SPDX-License-Identifier: Apache-2.0
// Moves one burst from a port's transmit queue to the receive queues of its network it belongs to: fetch, classify, group by
// destination, deliver, complete. Every frame is copied once, and each ring is published and notified once a burst.
#pragma once

#include <memory>
#include <utility>

#include "switch/network.h"
#include "switch/port_table.h"
#include "virtio/net_header.h"

namespace usvhost {

/** Frames of one port in one pass: fairness between ports, and the size of everything below. */
inline constexpr uint32_t kBurst = 32;

class Forwarder {
 public:
  explicit Forwarder(PortTable& ports);

  /** One burst from `source`; `now` in seconds. Returns the frames taken. Broken rings are marked, never thrown. */
  uint32_t forward(PortRuntime& source, uint32_t now);
  /** Whether a port, source or destination, has been marked broken since the last call. */
  bool take_broken() { return std::exchange(found_broken_, false); }

 private:
  struct Frame {
    const BufferPiece* segments;  // the first one starts with the destination address
    uint32_t segment_count;
    uint32_t length;
    BufferPiece single;  // where `segments` points when there is one
  };
  /** Indices into frames_ for one destination. The pointer is taken once a burst: the slot may be withdrawn meanwhile. */
  struct Group {
    PortRuntime* port = nullptr;
    uint8_t count = 0;
    uint8_t frames[kBurst];
  };
  struct Target {
    uint8_t* buffer;
    uint32_t capacity;
    uint32_t segment_count;  // 0: `buffer` is all of it; else `segments` of scratch
    uint32_t scratch;
    uint16_t head;
  };

  uint32_t fetch(PortRuntime& source, uint32_t count);
  bool fetch_chain(PortRuntime& source, const vring_desc& first, Frame& frame);
  void classify(PortRuntime& source, uint32_t count, uint32_t now);
  void add_to_group(PortRuntime& port, uint32_t frame);
  void flood(PortRuntime& source, uint32_t frame);
  void deliver(const Group& group);
  uint32_t reserve(PortRuntime& destination, const Group& group, uint32_t available, Target* targets);
  void complete(PortRuntime& source, uint32_t count);
  void mark_broken(PortRuntime& port, RingError error);

  PortTable& ports_;
  Frame frames_[kBurst];
  uint16_t heads_[kBurst];
  std::unique_ptr<Group[]> groups_;
  std::unique_ptr<uint16_t[]> active_;
  uint32_t active_count_ = 0;
  // Pieces of scattered buffers: a chain has at most kMaxQueueSize of them, and a burst stops when no second such chain fits.
  std::unique_ptr<BufferPiece[]> scratch_;
  uint32_t scratch_used_ = 0;
  bool found_broken_ = false;
};

}  // namespace usvhost
