// SPDX-License-Identifier: Apache-2.0
// What data threads can reach of a port, and the table through which they reach it. The control side publishes a
// port when its rings run and withdraws it, waiting for quiescence, before anything of it changes.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "memory/region_table.h"
#include "offload/abilities.h"
#include "switch/counters.h"
#include "virtio/device_queue.h"

namespace usvhost {

struct Network;

/** Held for one burst by the thread that delivers to a port; with one data thread it is never contended. */
class SpinLock {
 public:
  void lock() {
    while (flag_.test_and_set(std::memory_order_acquire)) cpu_relax();
  }
  void unlock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_ = ATOMIC_FLAG_INIT;
};

/** One queue as a data thread uses it. */
struct QueueRuntime {
  DeviceQueue* ring = nullptr;
  int call = -1;
  bool enabled = false;  // a started but disabled transmit queue is drained and discarded (vhost-user, "Ring states")
};

struct PortRuntime {
  uint16_t index = 0;
  /** Frames go to ports of the same one only. It outlives every publication of this port. */
  Network* network = nullptr;
  uint32_t max_frame = 0;  // bytes from the destination address to the end of the payload
  const RegionTable* memory = nullptr;
  bool mergeable = false;  // a frame to the pod may take several receive buffers (VIRTIO_NET_F_MRG_RXBUF)
  Offloads leaves;         // what the pod may leave undone on its frames
  Offloads takes;          // what may be left undone on frames to it
  /** The pod's transmit queues that run. One of them is served a pass, in turn: more queues are not a larger share. */
  QueueRuntime transmit[kMaxQueuePairs];
  uint16_t transmit_count = 0;
  uint16_t next_transmit = 0;  // the data thread's own
  bool quiet = false;          // the same: on which of its lists the port is
  uint64_t owed = 0;  // the same: bytes that its last burst has flooded, less what turns without a burst have paid for
  /** Its receive queues that run and are enabled. */
  QueueRuntime receive[kMaxQueuePairs];
  uint16_t receive_count = 0;
  CounterBlock* counters = nullptr;
  /** For all receive queues, so that the counters have one writer at a time. */
  SpinLock receive_lock;
  /** A RingError, set once by the data thread that found it; the control side then ends the port. */
  std::atomic<RingError> broken{RingError::kNone};
};

class PortTable {
 public:
  explicit PortTable(uint32_t max_ports) : slots_(max_ports) {}

  /** Data threads, inside an epoch. seq_cst pairs with Epoch::enter(), fence [Q1]. */
  PortRuntime* get(uint32_t index) const { return slots_[index].load(std::memory_order_seq_cst); }
  void publish(uint32_t index, PortRuntime* port) { change(index, port); }
  /** The caller then waits until every data thread has been quiescent. */
  void withdraw(uint32_t index) { change(index, nullptr); }
  /**
   * Another number after each publication and withdrawal, for who keeps what get() returned from one epoch to the next: what was
   * kept under another number is not to be touched. seq_cst as get(), fence [Q1].
   */
  uint64_t generation() const { return generation_.load(std::memory_order_seq_cst); }

  /** One past the highest index in use, so that passes do not visit empty slots. */
  uint32_t end() const { return end_.load(std::memory_order_relaxed); }
  void set_end(uint32_t end) { end_.store(end, std::memory_order_relaxed); }
  uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }

 private:
  /** In this order: who sees the new number sees the new slot. */
  void change(uint32_t index, PortRuntime* port) {
    slots_[index].store(port, std::memory_order_seq_cst);
    generation_.fetch_add(1, std::memory_order_seq_cst);
  }

  std::vector<std::atomic<PortRuntime*>> slots_;
  std::atomic<uint64_t> generation_{1};
  std::atomic<uint32_t> end_{0};
};

}  // namespace usvhost
