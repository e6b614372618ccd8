// SPDX-License-Identifier: Apache-2.0
// Moves one burst from a port's transmit queue to the receive queues of its network it belongs to: fetch, classify, group by
// destination, deliver, complete. Every frame is copied once, and each ring is published and notified once a burst.
#pragma once

#include <memory>
#include <utility>

#include "switch/frame.h"
#include "switch/network.h"
#include "switch/offload_burst.h"
#include "switch/port_table.h"

namespace usvhost {

class Forwarder {
 public:
  explicit Forwarder(PortTable& ports);

  /**
   * One burst from one of the queues of `source`, in turn; `now` in seconds. Returns the frames taken, none in the turns that pay for what
   * the port has flooded. Broken rings are marked, never thrown.
   */
  uint32_t forward(PortRuntime& source, uint32_t now);
  /** Whether a port, source or destination, has been marked broken since the last call. */
  bool take_broken() { return std::exchange(found_broken_, false); }

 private:
  /** Indices into frames_ for one destination. The pointer is taken once a burst: the slot may be withdrawn meanwhile. */
  struct Group {
    PortRuntime* port = nullptr;
    uint8_t count = 0;
    uint8_t frames[kBurst];
    void add(uint32_t frame) { frames[count++] = static_cast<uint8_t>(frame); }
  };
  template <class Queue>
  uint32_t forward_from(PortRuntime& source, const QueueRuntime& from, Queue& queue, uint32_t now);
  uint32_t classify(PortRuntime& source, uint32_t count, uint32_t now);
  bool refuses(PortRuntime& source, uint32_t index);
  void read_addresses(uint32_t index);
  Group* find_group(PortRuntime& source, MacAddress destination, uint32_t frame, uint32_t now);
  Group& group_of(PortRuntime& port);
  void flood(PortRuntime& source, uint32_t frame);
  void deliver(const Group& group);
  void deliver_one(PortRuntime& destination, const QueueRuntime& to, const uint8_t* frames, uint32_t count);
  void steer(PortRuntime& destination, const Group& group);
  template <class Queue>
  bool deliver_to(PortRuntime& destination, Queue& queue, const uint8_t* frames, uint32_t count);
  void mark_broken(PortRuntime& port, RingError error);

  PortTable& ports_;
  Frame frames_[kBurst];
  Chain chains_[kBurst];
  OffloadBurst offloads_;
  std::unique_ptr<Group[]> groups_;
  std::unique_ptr<uint16_t[]> active_;
  uint32_t active_count_ = 0;
  Scratch scratch_;
  bool found_broken_ = false;
};

}  // namespace usvhost
