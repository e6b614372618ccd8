// SPDX-License-Identifier: Apache-2.0
// VIRTIO_F_EVENT_IDX on a split ring (virtio 1.2, 2.7.7.2 and 2.7.10): calls and kicks against a model that counts entries
// without ever wrapping. Sleeping with it: wake_up_test.cc.

#include <random>

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

}  // namespace
}  // namespace usvhost::test
