// SPDX-License-Identifier: Apache-2.0
// Two data threads with one ring between them, our driver's queue on one side and our back-end's on the other: single buffers at
// random times, in each poll mode and kind of ring, and neither sleeps while it is its turn.
#include <random>

#include "base/poll_thread.h"
#include "test/guest_memory.h"
#include "test/support.h"
#include "test/virtio/bell.h"
#include "virtio/packed_device.h"
#include "virtio/packed_driver.h"
#include "virtio/split_device.h"
#include "virtio/split_driver.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kSize = 64;
constexpr uint32_t kBuffers = kSanitized ? 2'000 : 25'000;

/** One side. When both sleep, and nobody has signalled since either began to ask for it, neither will ever wake up. */
class Side : public PollWork {
 public:
  Side(PollMode mode, unsigned seed) : random(seed), thread({-1, 1, "test", mode}) {}

  uint32_t poll() final {
    passes.fetch_add(1, std::memory_order_acq_rel);
    return turn();
  }
  void arm() final {
    armed_at.store(rung.load(std::memory_order_acquire), std::memory_order_relaxed);
    want();
    full_fence();
  }
  bool pending() final { return work(); }
  void disarm() final {
    slept = slept || asleep();
    awake_after.store(thread.sleeps(), std::memory_order_release);
    refuse();
  }

  /** Called by the other side after it has published. */
  void decide(bool signal) {
    if (!signal) return;
    rung.fetch_add(1, std::memory_order_release);
    bell.ring();
  }
  /** It has decided to sleep and not come back from it. */
  bool asleep() const { return thread.sleeps() != awake_after.load(std::memory_order_acquire); }
  bool unheard() const { return asleep() && rung.load() == armed_at.load(); }
  void pause() {
    for (auto spins = static_cast<uint32_t>(random() % 60); spins != 0; spins--) cpu_relax();
  }
  /** The other side's buffer was found. */
  void found() {
    if (slept) waits.add(monotonic_nanos() - other->published_at.load(std::memory_order_relaxed));
    slept = false;
  }
  void publishing() { published_at.store(monotonic_nanos(), std::memory_order_relaxed); }

  std::mt19937 random;
  PollThread thread;
  Bell bell;
  Side* other = nullptr;
  std::atomic<uint64_t> passes{0}, rung{0}, armed_at{0}, published_at{0}, done{0}, awake_after{0};
  bool slept = false;
  Waits waits;

 protected:
  virtual uint32_t turn() = 0;
  virtual bool work() = 0;
  virtual void want() = 0;
  virtual void refuse() = 0;
};

template <class Queue>
struct DriverSide final : Side {
  DriverSide(const GuestMemory& memory, PollMode mode, bool events) : Side(mode, 1) {
    queue.attach(memory.at(0), kSize);
    queue.reset(events);
  }
  uint32_t turn() override {
    Completion used;
    if (waiting && queue.used_entries() != 0 && queue.take_used(used)) {
      found();
      waiting = false;
      if (done.fetch_add(1, std::memory_order_release) + 1 == kBuffers) finished.ring();
      return 1;
    }
    if (waiting || done.load(std::memory_order_relaxed) == kBuffers) return 0;
    pause();
    queue.add(0, 0, false, 0);
    waiting = true;
    publishing();
    queue.publish();
    other->decide(queue.kick_wanted());
    return 1;
  }
  bool work() override { return queue.used_entries() != 0; }
  void want() override { queue.want_calls(); }
  void refuse() override { queue.refuse_calls(); }

  Queue queue;
  Bell finished;
  bool waiting = false;
};

template <class Queue>
struct DeviceSide final : Side {
  template <class Ring>
  DeviceSide(const Ring& ring, PollMode mode) : Side(mode, 2) {
    if constexpr (std::is_same_v<Ring, SplitRing>) {
      queue.attach(ring, 0);
    } else {
      queue.attach(ring, {});
    }
    queue.refuse_kicks();
  }
  uint32_t turn() override {
    if (!queue.pending()) return 0;
    Chain chains[kSize];
    vring_desc first;
    queue.begin();
    uint32_t count = queue.look_ahead(chains, kSize), taken = 0;
    while (taken < count && queue.take(chains[taken], first)) taken++;
    found();
    pause();
    publishing();
    queue.complete(chains, taken);
    other->decide(queue.call_wanted());
    return taken;
  }
  bool work() override { return queue.pending(); }
  void want() override { queue.want_kicks(); }
  void refuse() override { queue.refuse_kicks(); }

  Queue queue;
};

/** Looks again and again whether both sleep and nothing is under way. */
class Watch {
 public:
  Watch(const Side& one, const Side& two) : one_(one), two_(two) {}
  /** In two looks in a row, and nothing has run between them. */
  bool forgotten() {
    uint64_t passes = one_.passes.load() + two_.passes.load();
    bool still = one_.unheard() && two_.unheard() && passes == one_.passes.load() + two_.passes.load();
    bool before = std::exchange(still_, still);
    return std::exchange(passes_, passes) == passes && before && still;
  }

 private:
  const Side& one_;
  const Side& two_;
  bool still_ = false;
  uint64_t passes_ = 0;
};

template <class DriverQueue, class DeviceQueue>
void alternate(PollMode driver_mode, PollMode device_mode, bool events) {
  GuestMemory memory(8 * 4096);
  DriverSide<DriverQueue> driver(memory, driver_mode, events);
  DeviceSide<DeviceQueue> device(driver.queue.ring(), device_mode);
  driver.other = &device;
  device.other = &driver;
  for (Side* side : {static_cast<Side*>(&driver), static_cast<Side*>(&device)}) {
    REQUIRE(side->thread.start(*side).ok());
    REQUIRE(side->thread.watch(side->bell.fd()).ok());
  }
  Watch watch(driver, device);
  bool lost = false;
  uint64_t before = 0, since = monotonic_nanos();
  while (driver.done != kBuffers && !lost) {
    pollfd end{driver.finished.fd(), POLLIN, 0};
    if (poll(&end, 1, 1) == 1) break;
    lost = watch.forgotten() && driver.done != kBuffers;
    if (before != driver.done) since = monotonic_nanos();
    before = driver.done;
    // A thread that was signalled and does not come in a minute: only its epoll set can have forgotten it.
    lost = lost || monotonic_nanos() - since > 60'000'000'000ull;
  }
  driver.thread.stop();
  device.thread.stop();
  CHECK_FALSE(lost);
  CHECK(driver.done == kBuffers);
  CHECK((driver.thread.sleeps() == 0) == (driver_mode == PollMode::kPoll));
  CHECK((device.thread.sleeps() == 0) == (device_mode == PollMode::kPoll));
  MESSAGE("the driver slept ", driver.waits.describe());
  MESSAGE("the device slept ", device.waits.describe());
}

void in_every_ring(PollMode driver, PollMode device) {
  alternate<SplitDriverQueue, SplitDeviceQueue<FlagSuppression>>(driver, device, false);
  alternate<SplitDriverQueue, SplitDeviceQueue<EventIndexSuppression>>(driver, device, true);
  alternate<PackedDriverQueue<false>, PackedDeviceQueue<FlagSuppression>>(driver, device, false);
  alternate<PackedDriverQueue<true>, PackedDeviceQueue<EventIndexSuppression>>(driver, device, true);
}

TEST_CASE("two data threads in turn: neither sleeps through its turn") {
  SUBCASE("adaptive") { in_every_ring(PollMode::kAdaptive, PollMode::kAdaptive); }
  SUBCASE("interrupt") { in_every_ring(PollMode::kInterrupt, PollMode::kInterrupt); }
  SUBCASE("a driver that polls") { in_every_ring(PollMode::kPoll, PollMode::kInterrupt); }
  SUBCASE("a device that polls") { in_every_ring(PollMode::kInterrupt, PollMode::kPoll); }
}

}  // namespace
}  // namespace usvhost::test
