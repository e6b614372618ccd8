// SPDX-License-Identifier: Apache-2.0
// Epoch-based quiescence between one control side and data threads that must never take a lock.
// A data thread is *inside* from enter() to leave(); what it can reach is removed by first unpublishing the
// pointer and then calling wait_until_quiescent(), after which no thread can still hold the old pointer.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace usvhost {

class alignas(64) Epoch {
 public:
  /** Data thread only. Fence [Q1]: the odd value is visible before any published pointer is read. */
  void enter() { value_.store(next_ | 1, std::memory_order_seq_cst); }
  /** Data thread only. Fence [Q2]: every access of this pass happens before the even value. */
  void leave() {
    next_ += 2;
    value_.store(next_, std::memory_order_release);
  }

  /**
   * Control side only, after unpublishing with a seq_cst store or exchange (pairs with [Q1]).
   * Returns when the thread has been outside at least once; a pass is bounded, so the wait is.
   */
  void wait_until_quiescent() const {
    uint64_t seen = value_.load(std::memory_order_seq_cst);
    if ((seen & 1) == 0) return;
    while (value_.load(std::memory_order_acquire) == seen) sched_yield();
  }

 private:
  std::atomic<uint64_t> value_{0};
  uint64_t next_ = 0;
};

}  // namespace usvhost
