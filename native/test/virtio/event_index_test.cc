// SPDX-License-Identifier: Apache-2.0
// VIRTIO_F_EVENT_IDX on a split ring (virtio 1.2, 2.7.7.2 and 2.7.10): calls and kicks against a model that counts entries
// without ever wrapping, and a driver that sleeps between single buffers and is never left asleep.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "test/guest_memory.h"
#include "test/raw_ring.h"
#include "test/support.h"
#include "virtio/split_device.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kSize = 64;

struct Bench {
  Bench() : memory(8 * 4096) {
    ring.attach(memory.at(0), kSize);
    queue.attach(memory.translated(ring.ring()), 0);
  }
  void set_used_event(uint16_t index) { store_plain(&ring.ring().avail->ring[kSize], index); }
  uint16_t avail_event() { return load_once(reinterpret_cast<uint16_t*>(&ring.ring().used->ring[kSize])); }
  void complete(uint32_t count) {
    Chain chains[kSize] = {};
    queue.complete(chains, count);
  }
  GuestMemory memory;
  RawRing ring;
  SplitDeviceQueue<EventIndexSuppression> queue;
};

TEST_CASE("event index: a call when the entry that the driver named has been completed, and only then") {
  Bench bench;
  std::mt19937 random(9);
  bench.set_used_event(0);
  bench.complete(1);
  CHECK(bench.queue.call_wanted());
  uint64_t used = 1, event = 0;
  for (int round = 0; round < 200'000; round++) {
    if (random() % 4 == 0) {
      event = used + random() % 80;
      bench.set_used_event(static_cast<uint16_t>(event));
    }
    auto count = static_cast<uint32_t>(1 + random() % 32);
    bench.complete(count);
    // The event is behind `used` for at most one lap of the index before the model asks for a new one.
    bool wanted = event >= used && event < used + count;
    used += count;
    REQUIRE(bench.queue.call_wanted() == wanted);
    if (used - event > 60'000) event = used, bench.set_used_event(static_cast<uint16_t>(event));
  }
}

TEST_CASE("event index: the flag that asks for no calls says nothing") {
  Bench bench;
  store_plain(&bench.ring.ring().avail->flags, uint16_t{VRING_AVAIL_F_NO_INTERRUPT});
  bench.set_used_event(0);
  bench.complete(1);
  CHECK(bench.queue.call_wanted());
}

TEST_CASE("event index: a back-end that takes rings over calls for what its predecessor may have left untold") {
  Bench bench;
  bench.queue.attach(bench.memory.translated(bench.ring.ring()), 100);
  bench.set_used_event(90);  // passed by the predecessor, which died before its call
  bench.complete(1);
  CHECK(bench.queue.call_wanted());
  bench.complete(1);
  CHECK_FALSE(bench.queue.call_wanted());
}

TEST_CASE("event index: kicks are wanted from the next entry on, or from none that comes soon") {
  Bench bench;
  for (uint16_t i = 0; i < 200; i++) {
    bench.queue.want_kicks();
    CHECK(load_once(&bench.ring.ring().used->flags) == 0);
    auto next = static_cast<uint16_t>(i + 1);
    CHECK(vring_need_event(bench.avail_event(), next, i) != 0);
    bench.queue.refuse_kicks();
    CHECK(load_once(&bench.ring.ring().used->flags) == 0);
    for (uint16_t ahead = 1; ahead <= kSize; ahead++) {
      CHECK(vring_need_event(bench.avail_event(), static_cast<uint16_t>(i + ahead), i) == 0);
    }
    bench.ring.offer(0);
    bench.complete(1);
  }
}

/** One buffer at a time with pauses around the moment at which the device goes to sleep; both sides sleep on eventfds. */
template <class Suppression, class Kick, class Arm>
void never_asleep(uint32_t count, Kick kick_wanted, Arm arm) {
  GuestMemory memory(8 * 4096);
  RawRing ring;
  ring.attach(memory.at(0), kSize);
  SplitDeviceQueue<Suppression> queue;
  queue.attach(ring.ring(), 0);  // one mapping for both sides, so that a thread sanitizer sees them meet
  queue.refuse_kicks();
  Fd kick(eventfd(0, EFD_CLOEXEC)), call(eventfd(0, EFD_CLOEXEC));
  std::atomic<bool> stop{false};
  uint64_t sleeps = 0;
  auto wait = [](const Fd& fd) {
    // The watchdog: whoever waits for a second was forgotten.
    pollfd ready{fd.get(), POLLIN, 0};
    if (poll(&ready, 1, 1000) != 1) return false;
    uint64_t value;
    return read(fd.get(), &value, sizeof value) == sizeof value;
  };
  auto signal = [](const Fd& fd) {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(fd.get(), &one, sizeof one);
  };
  std::atomic<bool> lost{false};
  std::thread device([&] {
    std::mt19937 random(1);
    for (uint32_t done = 0; done < count && !stop;) {
      bool found = false;
      for (auto passes = static_cast<uint32_t>(random() % 40); passes != 0 && !found; passes--) found = queue.pending();
      if (!found) {
        queue.want_kicks();
        full_fence();
        if (!queue.pending()) {
          sleeps++;
          if (!wait(kick)) {
            lost = stop = true;
            return;
          }
        }
        queue.refuse_kicks();
        continue;
      }
      Chain chains[kSize];
      queue.begin();
      uint32_t taken = queue.look_ahead(chains, kSize);
      queue.complete(chains, taken);
      done += taken;
      if (queue.call_wanted()) signal(call);
    }
  });
  std::mt19937 random(2);
  for (uint32_t sent = 0; sent < count && !stop; sent++) {
    for (auto pause = static_cast<uint32_t>(random() % 60); pause != 0; pause--) cpu_relax();
    ring.describe(static_cast<uint16_t>(sent % kSize), 0, 0);
    auto old = ring.avail();
    ring.offer(static_cast<uint16_t>(sent % kSize));
    full_fence();
    if (kick_wanted(ring, old)) signal(kick);
    auto wanted = static_cast<uint16_t>(sent + 1);
    if (random() % 2 == 0) {
      for (int spin = 0; spin < 200 && ring.used() != wanted; spin++) cpu_relax();
    }
    while (ring.used() != wanted && !stop) {
      arm(ring, sent);
      full_fence();
      if (ring.used() != wanted && !wait(call)) lost = stop = true;
    }
  }
  if (stop) signal(kick);
  device.join();
  CHECK_FALSE(lost);
  CHECK(sleeps != 0);
}

TEST_CASE("single buffers at random times: nobody sleeps through one, with flags and with event indices") {
  constexpr uint32_t kCount = kSanitized ? 20'000 : 200'000;
  never_asleep<FlagSuppression>(
      kCount,
      [](const RawRing& ring, uint16_t) { return (load_once(&ring.ring().used->flags) & VRING_USED_F_NO_NOTIFY) == 0; },
      [](RawRing& ring, uint32_t) { ring.want_calls(); });
  never_asleep<EventIndexSuppression>(
      kCount,
      [](const RawRing& ring, uint16_t old) {
        uint16_t event = load_once(reinterpret_cast<uint16_t*>(&ring.ring().used->ring[kSize]));
        return vring_need_event(event, ring.avail(), old) != 0;
      },
      [](RawRing& ring, uint32_t sent) { store_plain(&ring.ring().avail->ring[kSize], static_cast<uint16_t>(sent)); });
}

}  // namespace
}  // namespace usvhost::test
