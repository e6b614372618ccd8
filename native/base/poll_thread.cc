// SPDX-License-Identifier: Apache-2.0
#include "base/poll_thread.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <future>

#include "base/cpu.h"

namespace usvhost {

namespace {
// A pass without work costs tens of nanoseconds; the clock is asked once per so many of them.
constexpr uint32_t kPassesPerClock = 16;
// On a machine with fewer CPUs than busy threads a polling thread must let its peer run.
constexpr uint32_t kPassesPerYield = 64;
// Work comes soon when it comes within twice the time that is polled: with less the two states would change places at each frame
// of a peer that answers just too late.
constexpr uint64_t kSoonFactor = 2;
}  // namespace

Status PollThread::start(PollWork& work) {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return system_failure("USV_IO", "epoll_create1");
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return system_failure("USV_IO", "eventfd");
  if (Status watched = watch(wake_.get()); !watched.ok()) return watched;

  std::promise<bool> pinned;
  std::future<bool> pinned_result = pinned.get_future();
  thread_ = std::thread([this, &work, pinned = std::move(pinned)]() mutable {
    pthread_setname_np(pthread_self(), options_.name);
    bool usable = options_.cpu < 0 || pin_to_cpu(options_.cpu);
    pinned.set_value(usable);
    if (usable) run(work);
  });
  if (!pinned_result.get()) {
    thread_.join();
    return failure("USV_CONFIG", "expected a CPU that this process may use for a data thread, got %d", options_.cpu);
  }
  return {};
}

void PollThread::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  if (!thread_.joinable()) return;
  wake();
  thread_.join();
}

void PollThread::wake() const {
  uint64_t one = 1;
  // EAGAIN means that a wake-up is already waiting to be seen.
  [[maybe_unused]] ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

Status PollThread::watch(int fd) const {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return system_failure("USV_RING", "a notification descriptor that cannot be polled (an eventfd is expected)");
}

void PollThread::unwatch(int fd) const { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void PollThread::run(PollWork& work) {
  const uint64_t idle_nanos = options_.idle_micros * uint64_t{1000};
  uint64_t idle_since = 0;
  uint32_t idle_passes = 0;
  // Whether work came soon after the last time there was none. Else polling for more would be in vain, and worse: while this thread
  // polls, the one it has just woken has to look for another CPU, which sleeps, or to wait for this one.
  bool soon = true;
  while (!stopping_.load(std::memory_order_relaxed)) {
    epoch_.enter();
    uint32_t moved = work.poll();
    epoch_.leave();
    if (moved != 0) {
      idle_passes = 0;
      continue;
    }
    if (options_.mode == PollMode::kInterrupt) {
      sleep(work);
      continue;
    }
    if (idle_passes++ == 0) idle_since = monotonic_nanos();
    cpu_relax();
    if (idle_passes % kPassesPerYield == 0) sched_yield();
    if (options_.mode == PollMode::kPoll) continue;
    if (soon && (idle_passes % kPassesPerClock != 0 || monotonic_nanos() - idle_since < idle_nanos)) continue;
    idle_passes = 0;
    sleep(work);
    soon = monotonic_nanos() - idle_since < kSoonFactor * idle_nanos;
  }
}

void PollThread::sleep(PollWork& work) {
  epoch_.enter();
  work.arm();
  // The check after the fence in arm() is what keeps a frame that raced with arm() from waiting for ever.
  bool busy = work.pending();
  epoch_.leave();
  if (!busy && !stopping_.load(std::memory_order_relaxed)) {
    sleeps_.fetch_add(1, std::memory_order_relaxed);
    epoll_event events[16];
    epoll_wait(epoll_.get(), events, 16, work.max_sleep_millis());
    uint64_t drained;
    [[maybe_unused]] ssize_t got = ::read(wake_.get(), &drained, sizeof drained);
  }
  epoch_.enter();
  work.disarm();
  epoch_.leave();
}

}  // namespace usvhost
