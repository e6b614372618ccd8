// SPDX-License-Identifier: Apache-2.0
// Both sides of a ring sleep between single buffers, at random times around the moment at which the other one looks whether it
// has to notify, and nobody is left asleep: for each kind of ring and each way to suppress notifications. A million buffers in all.
#include <random>
#include <thread>

#include "test/guest_memory.h"
#include "test/raw_packed_ring.h"
#include "test/raw_ring.h"
#include "test/support.h"
#include "test/virtio/bell.h"
#include "virtio/packed_device.h"
#include "virtio/split_device.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kSize = 64;
constexpr uint32_t kBuffers = kSanitized ? 10'000 : 250'000;

/** A driver with one buffer at a time: offer(), kick_wanted(), arm() for a call, done(). One mapping, so that TSan sees both sides. */
template <class Suppression>
struct SplitDriver {
  using Device = SplitDeviceQueue<Suppression>;
  static constexpr bool kEvents = std::is_same_v<Suppression, EventIndexSuppression>;
  explicit SplitDriver(const GuestMemory& memory) { ring.attach(memory.at(0), kSize); }
  void attach(Device& device) const { device.attach(ring.ring(), 0); }
  void offer() {
    auto slot = static_cast<uint16_t>(ring.avail() % kSize);
    ring.describe(slot, 0, 0);
    ring.offer(slot);
  }
  bool kick_wanted() const {
    const vring_used* used = ring.ring().used;
    if (!kEvents) return (load_once(&used->flags) & VRING_USED_F_NO_NOTIFY) == 0;
    uint16_t event = load_once(reinterpret_cast<const uint16_t*>(&used->ring[kSize]));
    return vring_need_event(event, ring.avail(), static_cast<uint16_t>(ring.avail() - 1)) != 0;
  }
  void arm() {
    if (!kEvents) ring.want_calls();
    store_plain(&ring.ring().avail->ring[kSize], static_cast<uint16_t>(ring.avail() - 1));
  }
  bool done() { return ring.used() == ring.avail(); }
  RawRing ring;
};

template <class Suppression>
struct PackedDriver {
  using Device = PackedDeviceQueue<Suppression>;
  static constexpr bool kEvents = std::is_same_v<Suppression, EventIndexSuppression>;
  explicit PackedDriver(const GuestMemory& memory) { ring.attach(memory.at(0), kSize - 1); }
  void attach(Device& device) const { device.attach(ring.ring(), {}); }
  void offer() {
    ring.offer({{0, 0}}, 0);
    waiting = true;
  }
  bool kick_wanted() const {
    uint32_t event = ring.device_event();
    if (ring.device_flags() == VRING_PACKED_EVENT_FLAG_DISABLE) return false;
    return !kEvents || static_cast<uint16_t>(event) == ring.position(ring.offered() - 1);
  }
  void arm() {
    ring.want_calls(kEvents ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE,
                    ring.position(ring.offered() - 1));
  }
  bool done() {
    if (waiting && ring.take().has_value()) waiting = false;
    return !waiting;
  }
  RawPackedRing ring;
  bool waiting = false;
};

template <class Driver>
void nobody_is_left_asleep() {
  GuestMemory memory(8 * 4096);
  Driver driver(memory);
  typename Driver::Device queue;
  driver.attach(queue);
  queue.refuse_kicks();
  Bell kick, call;
  std::atomic<bool> stop{false}, lost{false};
  std::thread device([&] {
    std::mt19937 random(1);
    for (uint32_t done = 0; done < kBuffers && !stop;) {
      bool found = false;
      for (auto passes = static_cast<uint32_t>(random() % 40); passes != 0 && !found; passes--) found = queue.pending();
      if (!found) {
        queue.want_kicks();
        full_fence();
        if (!queue.pending()) {
          if (!kick.wait(done, stop)) lost = stop = true;
        }
        queue.refuse_kicks();
        continue;
      }
      Chain chains[kSize];
      vring_desc first;
      queue.begin();
      uint32_t count = queue.look_ahead(chains, kSize), taken = 0;
      while (taken < count && queue.take(chains[taken], first)) taken++;
      kick.seen();
      call.published();
      queue.complete(chains, taken);
      done += taken;
      call.decide(queue.call_wanted());
    }
  });
  std::mt19937 random(2);
  for (uint32_t sent = 0; sent < kBuffers && !stop; sent++) {
    for (auto pause = static_cast<uint32_t>(random() % 60); pause != 0; pause--) cpu_relax();
    kick.published();
    driver.offer();
    full_fence();
    kick.decide(driver.kick_wanted());
    if (random() % 2 == 0) {
      for (int spin = 0; spin < 200 && !driver.done(); spin++) cpu_relax();
    }
    while (!driver.done() && !stop) {
      driver.arm();
      full_fence();
      if (!driver.done() && !call.wait(sent, stop)) lost = stop = true;
    }
    call.seen();
  }
  device.join();
  CHECK_FALSE(lost);
  CHECK(kick.waits().count() != 0);
  CHECK(call.waits().count() != 0);
  MESSAGE("the device slept: ", kick.waits().describe());
  MESSAGE("the driver slept: ", call.waits().describe());
}

TEST_CASE("single buffers at random times: nobody sleeps through one") {
  SUBCASE("split, flags") { nobody_is_left_asleep<SplitDriver<FlagSuppression>>(); }
  SUBCASE("split, event index") { nobody_is_left_asleep<SplitDriver<EventIndexSuppression>>(); }
  SUBCASE("packed, flags") { nobody_is_left_asleep<PackedDriver<FlagSuppression>>(); }
  SUBCASE("packed, event index") { nobody_is_left_asleep<PackedDriver<EventIndexSuppression>>(); }
}

}  // namespace
}  // namespace usvhost::test
