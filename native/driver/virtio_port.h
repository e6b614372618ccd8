// SPDX-License-Identifier: Apache-2.0
// A virtio-user port: one pair of rings in the driver's segment, and the burst calls that engines use. Rings and
// buffers belong to the data thread; the connector only asks it to reset them and tells it when the link is up.
#pragma once

#include <atomic>
#include <string>

#include "base/poll_thread.h"
#include "driver/driver_counters.h"
#include "driver/packet.h"
#include "driver/queue_pair.h"
#include "vhost_user/front_end.h"

namespace usvhost {

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
};

class VirtioPort {
 public:
  enum class Link : uint8_t { kDown, kResetting, kReady, kUp };

  /** `rings` is 64-byte aligned shared memory of ring_bytes(). */
  VirtioPort(VirtioPortOptions options, BufferPool& pool, uint8_t* rings);
  static size_t ring_bytes(uint16_t queue_size) { return QueuePair::bytes(queue_size); }
  /** Creates the eventfds; fails with USV_IO. */
  Status open();
  /** Before the connector starts: offload features that the engine can do, to be offered. */
  void offer(uint64_t offloads) { offloads_ = offloads; }
  uint64_t offloads() const { return offloads_; }

  // Data thread.

  /** Must open each pass: answers the connector's wish for fresh rings. True when there are: features() may have changed. */
  bool serve_control();
  /** Up to `max` received frames; their buffers belong to the caller. */
  uint32_t receive(Packet* out, uint32_t max);
  /** Queues frames in order; returns how many were taken. The buffers of the others remain the caller's. */
  uint32_t transmit(const Packet* packets, uint32_t count);
  /** transmit(), and drops what did not fit, counting why. */
  void transmit_or_drop(const Packet* packets, uint32_t count);
  /** Frames that transmit() would take now; without end where it is no use to wait, as without a link. */
  uint32_t transmit_room();
  /** Buffers that the receive ring has room for and the pool did not give. */
  uint32_t receive_shortage() {
    return pair_.visit([](auto& pair) { return uint32_t{pair.receive.queue().free_entries()}; });
  }
  /** Takes back the buffers of frames that the back-end has sent on. */
  void reclaim();
  bool up() const { return link_.load(std::memory_order_acquire) == Link::kUp; }
  void arm();
  /** Whether received frames wait. */
  bool pending();
  /** Whether serve_control() has something to do. */
  bool reset_wanted() const { return link_.load(std::memory_order_acquire) == Link::kResetting; }
  void disarm();
  Status watch(const PollThread& thread) const { return thread.watch(receive_call_.get()); }

  // Connector.

  /** Has the data thread make rings for these features and post receive buffers; returns when that is done. */
  void reset_rings(const PollThread& thread, uint64_t features);
  void set_up(const PollThread& thread);
  void set_down() { link_.store(Link::kDown, std::memory_order_release); }
  /** After reset_rings(). */
  FrontEndQueue front_end_queue(uint16_t index);
  /** True once the back-end has written something impossible into a ring. */
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

  /** Negotiated for the rings as they are; of the data thread once serve_control() has returned true. */
  uint64_t features() const { return features_; }
  const VirtioPortOptions& options() const { return options_; }
  const DriverCounters& counters() const { return counters_; }
  BufferPool& pool() const { return pool_; }

 private:
  void note_broken(bool broken) {
    if (broken) [[unlikely]]
      broken_.store(true, std::memory_order_relaxed);
  }

  VirtioPortOptions options_;
  BufferPool& pool_;
  DriverCounters counters_;
  QueuePair pair_;
  uint64_t offloads_ = 0;
  uint64_t features_ = 0;  // the connector writes it before kResetting
  Fd receive_kick_, receive_call_, transmit_kick_, transmit_call_;
  std::atomic<Link> link_{Link::kDown};
  std::atomic<bool> broken_{false};
};

}  // namespace usvhost
