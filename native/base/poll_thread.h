// SPDX-License-Identifier: Apache-2.0
// The loop of every data thread: poll while there is work, sleep when there is none and the mode says so, never lose a wake-up.
// The order is the whole point: poll, arm notifications, fence, check again, wait (see docs/architecture.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/fd.h"
#include "base/quiescence.h"
#include "base/status.h"

namespace usvhost {

/** What a data thread does; every method runs on that thread, between Epoch enter and leave. */
class PollWork {
 public:
  virtual ~PollWork() = default;
  /** One bounded pass. Returns the number of frames moved; 0 means that nothing was there to do. */
  virtual uint32_t poll() = 0;
  /** Asks every peer to notify, with a full fence [N] after the last request. */
  virtual void arm() = 0;
  /** True when work is already visible after arm(): the thread must not sleep. */
  virtual bool pending() = 0;
  /** Tells the peers that notifications are not needed again. */
  virtual void disarm() = 0;
  /** Longest sleep in milliseconds, -1 for no bound (a timer of the work, such as a ping interval). */
  virtual int max_sleep_millis() { return -1; }
};

/** What a data thread does when nothing is to be done. */
enum class PollMode : uint8_t {
  kAdaptive,   // polls for a while, where work came soon the last time, then sleeps
  kPoll,       // polls for ever; peers are never asked to notify
  kInterrupt,  // sleeps after the first pass without work
};

struct PollThreadOptions {
  int cpu = -1;               // -1: not pinned
  uint32_t idle_micros = 50;  // kAdaptive: polled without work for so long: sleep; work soon after: within twice that
  const char* name = "usvhost-data";
  PollMode mode = PollMode::kAdaptive;
};

class PollThread {
 public:
  explicit PollThread(PollThreadOptions options) : options_(options) {}
  ~PollThread() { stop(); }

  /** Throws nothing; fails with USV_CONFIG when the CPU cannot be used, USV_IO when the kernel refuses. */
  Status start(PollWork& work);
  /** Ends the loop and joins. Idempotent. */
  void stop();
  /** Makes a sleeping thread poll once; callable from any thread. */
  void wake() const;
  /** Wakes the thread whenever `fd` becomes readable (edge-triggered: the fd is never read, so it cannot block us). */
  Status watch(int fd) const;
  /** Undo of watch(). */
  void unwatch(int fd) const;
  const Epoch& epoch() const { return epoch_; }
  uint64_t sleeps() const { return sleeps_.load(std::memory_order_relaxed); }

 private:
  void run(PollWork& work);
  void sleep(PollWork& work);

  PollThreadOptions options_;
  Fd epoll_;
  Fd wake_;
  Epoch epoch_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> sleeps_{0};
  std::thread thread_;
};

}  // namespace usvhost
