// SPDX-License-Identifier: Apache-2.0
// One direction of notifications between two threads of a test, which tells a wake-up that was lost from a thread that is late: the
// sender says when it is through with a buffer, so whoever sleeps then without a signal was forgotten for good.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/fd.h"

namespace usvhost::test {

/** How long buffers waited for somebody who slept. For a person to read: what a busy machine does is nothing to assert. */
class Waits {
 public:
  void add(uint64_t nanos) { nanos_.push_back(nanos); }
  size_t count() const { return nanos_.size(); }
  std::string describe() const {
    std::vector<uint64_t> sorted = nanos_;
    std::sort(sorted.begin(), sorted.end());
    auto micros = [&](double share) {
      auto index = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
      return std::to_string(sorted[index] / 1000) + " us";
    };
    if (sorted.empty()) return "never";
    auto late = sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), 1'000'000u);
    return std::to_string(sorted.size()) + " times; p50 " + micros(0.5) + ", p99 " + micros(0.99) + ", max " +
           micros(1) + "; over 1 ms, though signalled: " + std::to_string(late);
  }

 private:
  std::vector<uint64_t> nanos_;
};

class Bell {
 public:
  // The sender.
  void published() { published_at_.store(monotonic_nanos(), std::memory_order_relaxed); }
  /** What became of the next buffer: signalled or not, this is the sender's last word about it. */
  void decide(bool signal) {
    if (signal) ring();
    decided_.fetch_add(1, std::memory_order_release);
  }
  void ring() {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(event_.get(), &one, sizeof one);
  }

  /** Readable when it rings. */
  int fd() const { return event_.get(); }

  // The one who sleeps.
  /**
   * Sleeps until the bell rings or `stop`. `seen`: buffers of the sender that were seen before the sleep. False: the sender is
   * through with more than these and the bell does not ring.
   */
  bool wait(uint64_t seen, const std::atomic<bool>& stop) {
    slept_ = true;
    while (!stop) {
      pollfd ready{event_.get(), POLLIN, 0};
      bool rings = poll(&ready, 1, 1) == 1;
      // In this order: a signal is given before the decision is told.
      uint64_t decided = decided_.load(std::memory_order_acquire);
      uint64_t value;
      if (read(event_.get(), &value, sizeof value) == sizeof value) return true;
      if (!rings && decided > seen) return false;
    }
    return true;
  }
  /** A buffer was taken; counts when there was a sleep since the last one. */
  void seen() {
    if (slept_) waits_.add(monotonic_nanos() - published_at_.load(std::memory_order_relaxed));
    slept_ = false;
  }
  const Waits& waits() const { return waits_; }

 private:
  Fd event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<uint64_t> decided_{0};
  std::atomic<uint64_t> published_at_{0};
  bool slept_ = false;
  Waits waits_;
};

}  // namespace usvhost::test
