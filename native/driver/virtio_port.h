// SPDX-License-Identifier: Apache-2.0
// A virtio-user port: one pair of split rings in the driver's segment, and the burst calls that engines use. Rings and
// buffers belong to the data thread; the connector only asks it to reset them and tells it when the link is up.
#pragma once

#include <atomic>
#include <string>

#include "base/poll_thread.h"
#include "memory/address.h"
#include "memory/buffer_pool.h"
#include "vhost_user/front_end.h"
#include "virtio/features.h"
#include "virtio/split_driver.h"

namespace usvhost {

/** A frame in the data thread's hands: the buffer holds it at BufferPool::payload(). */
struct Packet {
  uint32_t buffer;
  uint32_t length;
};

/** Counters of a driver port; the data thread writes, anybody reads. */
struct DriverCounters {
  std::atomic<uint64_t> rx_packets{0};
  std::atomic<uint64_t> rx_bytes{0};
  std::atomic<uint64_t> tx_packets{0};
  std::atomic<uint64_t> tx_bytes{0};
  std::atomic<uint64_t> rx_drop_length{0};  // the back-end wrote an impossible length
  std::atomic<uint64_t> tx_drop_full{0};    // the transmit ring had no room
  std::atomic<uint64_t> tx_drop_down{0};    // no back-end was connected
  std::atomic<uint64_t> tx_lost{0};         // in the ring, not completed, when the connection ended

  static void add(std::atomic<uint64_t>& counter, uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
};

struct VirtioPortOptions {
  std::string name;
  std::string path;           // the back-end's socket, or ours
  uint16_t queue_size = 256;  // a power of two, 2 to 4096
  bool server = false;        // we listen at `path` and the back-end connects
};

class VirtioPort {
 public:
  enum class Link : uint8_t { kDown, kResetting, kReady, kUp };

  /** `rings` is 64-byte aligned shared memory of ring_bytes(). */
  VirtioPort(VirtioPortOptions options, BufferPool& pool, uint8_t* rings);
  static size_t ring_bytes(uint16_t queue_size) { return 2 * SplitDriverQueue::bytes(queue_size); }
  /** Creates the eventfds; fails with USV_IO. */
  Status open();

  // Data thread.

  /** Must open each pass: answers the connector's wish for fresh rings. */
  void serve_control();
  /** Up to `max` received frames; their buffers belong to the caller. */
  uint32_t receive(Packet* out, uint32_t max);
  /** Queues frames in order; returns how many were taken. The buffers of the others remain the caller's. */
  uint32_t transmit(const Packet* packets, uint32_t count);
  /** transmit(), and drops what did not fit, counting why. */
  void transmit_or_drop(const Packet* packets, uint32_t count);
  /** Frames that transmit() would take now; without end where it is no use to wait, as without a link. */
  uint32_t transmit_room();
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

  /** Has the data thread empty the rings and post receive buffers; returns when that is done. */
  void reset_rings(const PollThread& thread);
  void set_up(const PollThread& thread);
  void set_down() { link_.store(Link::kDown, std::memory_order_release); }
  FrontEndQueue front_end_queue(uint16_t index) const;
  /** True once the back-end has written something impossible into a ring. */
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

  const VirtioPortOptions& options() const { return options_; }
  const DriverCounters& counters() const { return counters_; }
  BufferPool& pool() const { return pool_; }

 private:
  void reset();
  void refill();

  VirtioPortOptions options_;
  BufferPool& pool_;
  SplitDriverQueue receive_;
  SplitDriverQueue transmit_;
  Fd receive_kick_, receive_call_, transmit_kick_, transmit_call_;
  std::atomic<Link> link_{Link::kDown};
  std::atomic<bool> broken_{false};
  DriverCounters counters_;
};

}  // namespace usvhost
