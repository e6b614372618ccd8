// SPDX-License-Identifier: Apache-2.0
// A virtio-user port as its connector has it: where the back-end is, what is offered to it, and the queue pairs, which belong
// to data threads and are only told what the link does.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "driver/port_queue.h"

namespace usvhost {

/** What is made of the address that a back-end has for us. */
enum class BackEndMac : uint8_t { kIgnored, kUsed, kRequired };

struct VirtioPortOptions {
  std::string name;
  std::string path;           // the back-end's socket, or ours
  uint16_t queue_size = 256;  // 2 to 4096; a power of two unless packed
  bool server = false;        // we listen at `path` and the back-end connects
  // Offers, which the back-end need not take.
  bool packed = false;
  bool in_order = true;
  bool mergeable = false;  // a received frame may take several buffers
  bool indirect = true;    // a sent frame of several buffers takes one entry of the ring
  bool event_index = false;
  uint16_t queue_pairs = 1;  // 1 to kMaxQueuePairs; a back-end may have fewer
  BackEndMac back_end_mac = BackEndMac::kIgnored;
};

class VirtioPort {
 public:
  /** One pair for each pool. `rings` is 64-byte aligned shared memory of ring_bytes() for each. */
  VirtioPort(VirtioPortOptions options, std::span<const std::unique_ptr<BufferPool>> pools, uint8_t* rings);
  static size_t ring_bytes(const VirtioPortOptions& options) {
    return options.queue_pairs * PortQueue::ring_bytes(options.queue_size);
  }
  /** Creates the eventfds; fails with USV_IO. */
  Status open();
  /** Before the connector starts: offload features that the engine can do, to be offered. */
  void offer(uint64_t offloads) { offloads_ = offloads; }
  uint64_t offloads() const { return offloads_; }

  /** Any thread: how many pairs are to carry frames, at least one; a link has no more than were negotiated. */
  void want_active(uint16_t pairs) { wanted_active_.store(pairs, std::memory_order_relaxed); }
  uint16_t wanted_active() const { return wanted_active_.load(std::memory_order_relaxed); }

  /** Any thread: how many pairs carry frames. */
  uint16_t active() const;

  PortQueue& queue(size_t pair) { return *queues_[pair]; }
  uint16_t pairs() const { return static_cast<uint16_t>(queues_.size()); }

  // Connector.

  /** Has the data threads make rings for these features and post receive buffers; returns when that is done. */
  void reset_rings(const Agreement& agreement);
  /** The first `pairs` carry frames, the others rest. */
  void set_up(uint16_t pairs);
  void set_down();
  /** After reset_rings(): a queue by its number (virtio 1.2, 5.1.2), below 2 * pairs(). */
  FrontEndQueue front_end_queue(uint16_t index);
  /** True once the back-end has written something impossible into a ring. */
  bool broken() const;

  const VirtioPortOptions& options() const { return options_; }

 private:
  VirtioPortOptions options_;
  std::vector<std::unique_ptr<PortQueue>> queues_;
  uint64_t offloads_ = 0;
  std::atomic<uint16_t> wanted_active_;
};

}  // namespace usvhost
