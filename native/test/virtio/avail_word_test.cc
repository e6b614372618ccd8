// SPDX-License-Identifier: Apache-2.0
// The word at which a device looks says the same as the queue itself, through many laps of each kind of ring.
#include "virtio/avail_word.h"

#include <random>

#include "test/guest_memory.h"
#include "test/raw_packed_ring.h"
#include "test/raw_ring.h"
#include "virtio/device_queue.h"

namespace usvhost::test {
namespace {

/** Takes and completes what there is, as a burst does; returns how many chains. */
uint32_t drain(DeviceQueue& queue) {
  return queue.visit([](auto& ring) {
    Chain chains[64];
    vring_desc first;
    ring.begin();
    uint32_t count = ring.look_ahead(chains, 64), taken = 0;
    while (taken < count && ring.take(chains[taken], first)) taken++;
    ring.complete(chains, taken);
    return taken;
  });
}

/** `offer(n)` makes n chains available; the ring never holds more than `size`. */
template <class Offer>
void agree(DeviceQueue& queue, uint32_t size, Offer offer) {
  std::mt19937 random(7);
  // 65536 entries and more: a split ring's index comes round.
  for (uint32_t offered = 0; offered < 70'000;) {
    CHECK_FALSE(queue.pending());
    REQUIRE_FALSE(queue.avail_word().pending());
    AvailWord kept = queue.avail_word();
    auto count = static_cast<uint32_t>(random() % size + 1);
    offer(count);
    offered += count;
    CHECK(queue.pending());
    REQUIRE(kept.pending());
    REQUIRE(drain(queue) == count);
  }
}

TEST_CASE("avail word: split rings of both ways to suppress notifications") {
  GuestMemory memory(8 * 4096);
  for (uint64_t features : {uint64_t{0}, feature_bit(VIRTIO_RING_F_EVENT_IDX)}) {
    RawRing ring;
    ring.attach(memory.at(0), 64);
    DeviceQueue queue;
    queue.attach(memory.translated(ring.ring()), 0, features);
    agree(queue, 64, [&](uint32_t count) {
      for (uint32_t i = 0; i < count; i++) ring.offer(static_cast<uint16_t>(i));
    });
  }
}

TEST_CASE("avail word: packed rings of a power of two and of another size") {
  GuestMemory memory(8 * 4096);
  for (uint16_t size : {uint16_t{1}, uint16_t{5}, uint16_t{63}, uint16_t{64}}) {
    CAPTURE(size);
    RawPackedRing ring;
    ring.attach(memory.at(0), size);
    DeviceQueue queue;
    queue.attach(ring.in(memory), 0x8000, 0);
    agree(queue, size, [&](uint32_t count) {
      for (uint32_t i = 0; i < count; i++) ring.offer({{0, 0}}, 0);
    });
  }
}

TEST_CASE("avail word: an index that cannot be is something to look at, so that the queue breaks") {
  GuestMemory memory(8 * 4096);
  RawRing ring;
  ring.attach(memory.at(0), 64);
  DeviceQueue queue;
  queue.attach(memory.translated(ring.ring()), 0, 0);
  ring.set_avail(65);
  CHECK(queue.avail_word().pending());
  CHECK_FALSE(queue.pending());
  CHECK(queue.error() == RingError::kAvailIndex);
}

}  // namespace
}  // namespace usvhost::test
