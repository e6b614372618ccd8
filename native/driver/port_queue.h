// SPDX-License-Identifier: Apache-2.0
// One queue pair of a port as a data thread has it: a pair of rings in the driver's segment, the buffers that go with it, and
// the burst calls that engines use. All of it belongs to that thread; the connector only asks it to reset the rings and
// tells it what the link does.
#pragma once

#include <atomic>

#include "base/poll_thread.h"
#include "driver/driver_counters.h"
#include "driver/packet.h"
#include "driver/queue_pair.h"
#include "vhost_user/front_end.h"

namespace usvhost {

class PortQueue {
 public:
  /** kIdle: the link is up without this pair. What is in its rings is still received, nothing is sent. */
  enum class Link : uint8_t { kDown, kResetting, kReady, kIdle, kUp };

  /** `rings` is 64-byte aligned shared memory of ring_bytes(). */
  PortQueue(uint16_t size, BufferPool& pool, uint8_t* rings)
      : size_(size), pool_(pool), pair_(pool, counters_, rings, size) {}
  static size_t ring_bytes(uint16_t size) { return QueuePair::bytes(size); }
  /** Creates the eventfds; fails with USV_IO. */
  Status open();
  /** Before the connector starts: the thread to which the pair belongs, which wakes up for it. */
  Status serve_by(const PollThread& thread);

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
  /** Whether frames can be sent. */
  bool up() const { return link() == Link::kUp; }
  /** Whether the port has a link of which this pair is no part. */
  bool idle() const { return link() == Link::kIdle; }
  void arm();
  /** Whether received frames wait. */
  bool pending();
  /** Whether serve_control() has something to do. */
  bool reset_wanted() const { return link() == Link::kResetting; }
  void disarm();

  // Connector.

  /** Has the data thread make rings for what was agreed on and post receive buffers; await_reset() returns when that is done. */
  void begin_reset(const Agreement& agreement);
  void await_reset() const { link_.wait(Link::kResetting, std::memory_order_acquire); }
  void set_up() { tell(Link::kUp); }
  void set_idle() { tell(Link::kIdle); }
  void set_down() { link_.store(Link::kDown, std::memory_order_release); }
  /** The rings as a back-end is told of them, after await_reset(). */
  FrontEndQueue receive_queue();
  FrontEndQueue transmit_queue();
  /** True once the back-end has written something impossible into a ring. */
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

  /** Data thread: negotiated for the rings as they are. */
  uint64_t features() const { return served_.features; }
  /** Data thread: the address that the back-end has for us, which then is to be used; 0 for none. */
  uint64_t mac() const { return served_.mac; }
  uint16_t size() const { return size_; }
  const DriverCounters& counters() const { return counters_; }
  BufferPool& pool() const { return pool_; }

 private:
  Link link() const { return link_.load(std::memory_order_acquire); }
  bool receives() const { return link() >= Link::kIdle; }
  void tell(Link link);
  void note_broken(bool broken) {
    if (broken) [[unlikely]]
      broken_.store(true, std::memory_order_relaxed);
  }

  uint16_t size_;
  BufferPool& pool_;
  DriverCounters counters_;
  QueuePair pair_;
  Agreement agreement_;  // the connector writes it before kResetting, and at any time after kReady
  Agreement served_;     // the data thread's copy
  Fd receive_kick_, receive_call_, transmit_kick_, transmit_call_;
  const PollThread* thread_ = nullptr;
  std::atomic<Link> link_{Link::kDown};
  std::atomic<bool> broken_{false};
};

}  // namespace usvhost
