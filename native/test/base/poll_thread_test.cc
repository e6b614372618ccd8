// SPDX-License-Identifier: Apache-2.0
// PollThread: it sleeps when nothing is to be done and its mode lets it, and no event that arrives at any moment is slept over.
#include "base/poll_thread.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <random>

#include "base/cpu.h"
#include "test/support.h"
#include "virtio/guest_word.h"

namespace usvhost::test {
namespace {

/** Events are a number that somebody else increases; armed is the peer's view of "notify me". */
class CountingWork final : public PollWork {
 public:
  uint32_t poll() override {
    polls.fetch_add(1, std::memory_order_relaxed);
    uint64_t now = produced.load(std::memory_order_acquire);
    uint64_t before = consumed.load(std::memory_order_relaxed);
    consumed.store(now, std::memory_order_release);
    return static_cast<uint32_t>(now - before);
  }
  void arm() override {
    arms.fetch_add(1, std::memory_order_relaxed);
    armed.store(true, std::memory_order_relaxed);
    full_fence();
  }
  bool pending() override { return produced.load(std::memory_order_acquire) != consumed.load(); }
  void disarm() override { armed.store(false, std::memory_order_relaxed); }
  int max_sleep_millis() override { return max_sleep; }

  std::atomic<uint64_t> produced{0}, consumed{0}, polls{0}, arms{0};
  std::atomic<bool> armed{false};
  int max_sleep = -1;
};

TEST_CASE("a CPU that does not exist is refused and nothing runs") {
  CountingWork work;
  std::thread([] {}).join();  // a sanitizer starts a thread of its own beside the first one
  size_t threads = running_threads();
  for (int cpu : {CPU_SETSIZE - 1, CPU_SETSIZE, 1 << 20}) {
    PollThread thread({cpu, 50, "test"});
    Status status = thread.start(work);
    CHECK(std::string(status.code) == "USV_CONFIG");
  }
  CHECK(work.polls == 0);
  CHECK(threads_ended(threads));
}

TEST_CASE("a descriptor that cannot be polled is refused") {
  CountingWork work;
  PollThread thread({-1, 50, "test"});
  REQUIRE(thread.start(work).ok());
  TemporaryDirectory directory;
  Fd file(open((directory / "file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  CHECK(std::string(thread.watch(file.get()).code) == "USV_RING");
  CHECK(std::string(thread.watch(-1).code) == "USV_RING");
}

TEST_CASE("an idle thread sleeps, wakes once for wake(), and stops from its sleep") {
  CountingWork work;
  PollThread thread({-1, 1, "test"});
  REQUIRE(thread.start(work).ok());
  REQUIRE(eventually([&] { return thread.sleeps() >= 1; }));
  for (int i = 0; i < 20; i++) {
    uint64_t sleeps = thread.sleeps();
    thread.wake();
    CHECK(eventually([&] { return thread.sleeps() > sleeps; }));
  }
  thread.stop();
  thread.stop();
  uint64_t polls = work.polls;
  thread.wake();
  CHECK(work.polls == polls);
}

TEST_CASE("a bound of the work ends a sleep") {
  CountingWork work;
  work.max_sleep = 1;
  PollThread thread({-1, 1, "test"});
  REQUIRE(thread.start(work).ok());
  CHECK(eventually([&] { return thread.sleeps() > 5; }));
}

TEST_CASE("more than one batch of ready descriptors wakes the thread, and unwatched ones do not") {
  CountingWork work;
  PollThread thread({-1, 1, "test"});
  REQUIRE(thread.start(work).ok());
  std::vector<Fd> events;
  for (int i = 0; i < 40; i++) {
    events.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    REQUIRE(thread.watch(events.back().get()).ok());
  }
  REQUIRE(eventually([&] { return thread.sleeps() >= 1; }));
  uint64_t one = 1;
  for (int round = 0; round < 3; round++) {
    uint64_t sleeps = thread.sleeps();
    // Nobody reads these counters: an edge is enough, and a level would keep the thread awake for ever.
    for (Fd& event : events) REQUIRE(write(event.get(), &one, sizeof one) == sizeof one);
    CHECK(eventually([&] { return thread.sleeps() > sleeps; }));
  }
  for (Fd& event : events) thread.unwatch(event.get());
  uint64_t settled = thread.sleeps();
  thread.wake();
  REQUIRE(eventually([&] { return thread.sleeps() > settled; }));
  uint64_t polls;
  // Two looks at the same number, a burst of writes between: a thread that still watched would have polled.
  REQUIRE(eventually([&] {
    polls = work.polls;
    for (int i = 0; i < 200; i++) sched_yield();
    return polls == work.polls;
  }));
  for (Fd& event : events) REQUIRE(write(event.get(), &one, sizeof one) == sizeof one);
  for (int i = 0; i < 200; i++) sched_yield();
  CHECK(work.polls == polls);
}

TEST_CASE("poll: it never sleeps and never asks to be notified, and it stops") {
  CountingWork work;
  PollThread thread({-1, 0, "test", PollMode::kPoll});
  REQUIRE(thread.start(work).ok());
  for (uint64_t event = 1; event <= 100; event++) {
    uint64_t polls = work.polls;
    REQUIRE(eventually([&] { return work.polls > polls + 100; }));
    work.produced = event;
    CHECK(eventually([&] { return work.consumed == event; }));
  }
  CHECK(thread.sleeps() == 0);
  CHECK(work.arms == 0);
  thread.wake();
  thread.stop();
  CHECK(thread.sleeps() == 0);
}

TEST_CASE("interrupt: it sleeps after one pass without work") {
  CountingWork work;
  PollThread thread({-1, 1'000'000, "test", PollMode::kInterrupt});
  REQUIRE(thread.start(work).ok());
  for (uint64_t round = 1; round <= 20; round++) {
    CAPTURE(round);
    REQUIRE(eventually([&] { return thread.sleeps() == round; }));
    // Each but the first began with an event, which took a pass of its own.
    CHECK(work.polls == 2 * round - 1);
    work.produced++;
    thread.wake();
  }
}

TEST_CASE("adaptive: after a long time without work it polls no more before it sleeps, until work comes soon again") {
  constexpr uint32_t kIdleMicros = 1000;
  CountingWork work;
  PollThread thread({-1, kIdleMicros, "test"});
  REQUIRE(thread.start(work).ok());
  uint64_t sleeps = 1;
  auto event = [&] {
    work.produced++;
    thread.wake();
    sleeps++;
    return eventually([&] { return thread.sleeps() == sleeps; });
  };
  REQUIRE(eventually([&] { return thread.sleeps() == sleeps; }));
  CHECK(work.polls > 2);
  for (int i = 0; i < 3; i++) {
    uint64_t late = monotonic_nanos() + 2 * kIdleMicros * uint64_t{1000};
    REQUIRE(eventually([&] { return monotonic_nanos() > late; }));
    uint64_t polls = work.polls;
    REQUIRE(event());
    CHECK(work.polls == polls + 2);  // one with the event, one without
  }
  // On a busy machine an event may come late although it was sent at once.
  CHECK(eventually([&] {
    uint64_t polls = work.polls;
    return event() && work.polls > polls + 2;
  }));
}

TEST_CASE("no wake-up is lost in many single events at random moments") {
  constexpr int kEvents = kSanitized ? 10000 : 100000;
  CountingWork work;
  PollMode mode = PollMode::kAdaptive;
  SUBCASE("adaptive") {}
  SUBCASE("interrupt") { mode = PollMode::kInterrupt; }
  PollThread thread({-1, 1, "test", mode});
  REQUIRE(thread.start(work).ok());
  std::mt19937 random(20261124);
  int lost = 0;
  for (int i = 0; i < kEvents && lost == 0; i++) {
    // From "while it still polls" to "long asleep", most of them around the moment of arming.
    for (uint32_t spins = random() % 2048; spins != 0; spins--) asm volatile("" ::: "memory");
    uint64_t mine = work.produced.fetch_add(1, std::memory_order_seq_cst) + 1;
    full_fence();
    if (work.armed.load(std::memory_order_relaxed)) thread.wake();
    if (!eventually([&] { return work.consumed.load() == mine; })) lost++;
  }
  CHECK(lost == 0);
  CHECK(thread.sleeps() > 0);
}

}  // namespace
}  // namespace usvhost::test
