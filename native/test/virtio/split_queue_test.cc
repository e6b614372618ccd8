// SPDX-License-Identifier: Apache-2.0
// Driver and device of a split ring against each other in one memory, each through a mapping of its own.
#include <random>
#include <thread>

#include "test/guest_memory.h"
#include "test/support.h"
#include "virtio/split_device.h"
#include "virtio/split_driver.h"

namespace usvhost::test {
namespace {

struct Pair {
  explicit Pair(uint16_t size) : memory(SplitDriverQueue::bytes(size) + 4096) {
    driver.attach(memory.at(0), size);
    device.attach(memory.translated(driver.ring()), 0);
  }
  GuestMemory memory;
  SplitDriverQueue driver;
  SplitDeviceQueue<> device;
};

TEST_CASE("areas of a driver's ring are aligned, disjoint, and inside bytes()") {
  GuestMemory memory(SplitDriverQueue::bytes(kMaxQueueSize));
  for (uint32_t size = 1; size <= kMaxQueueSize; size *= 2) {
    SplitDriverQueue driver;
    driver.attach(memory.at(0), static_cast<uint16_t>(size));
    const SplitRing& ring = driver.ring();
    auto* desc = reinterpret_cast<uint8_t*>(ring.desc);
    auto* avail = reinterpret_cast<uint8_t*>(ring.avail);
    auto* used = reinterpret_cast<uint8_t*>(ring.used);
    CHECK(desc == memory.at(0));
    CHECK(desc + SplitRing::desc_bytes(size) <= avail);
    CHECK(avail + SplitRing::avail_bytes(size) <= used);
    CHECK(used + SplitRing::used_bytes(size) <= memory.at(0) + SplitDriverQueue::bytes(static_cast<uint16_t>(size)));
    CHECK((avail - desc) % 64 == 0);
    CHECK((used - desc) % 64 == 0);
    CHECK(driver.free_entries() == size);
  }
}

TEST_CASE("nothing is visible before publish(), and publish() says whether there was anything") {
  Pair pair(8);
  CHECK_FALSE(pair.driver.publish());
  pair.driver.add(pair.memory.address(0), 64, true, 7);
  CHECK(pair.device.available() == 0);
  CHECK(pair.driver.publish());
  CHECK_FALSE(pair.driver.publish());
  REQUIRE(pair.device.available() == 1);
  Chain chain{};
  pair.device.begin();
  REQUIRE(pair.device.look_ahead(&chain, 1) == 1);
  chain.written = 33;
  CHECK(pair.driver.used_entries() == 0);
  pair.device.complete(&chain, 1);
  REQUIRE(pair.driver.used_entries() == 1);
  Completion used{};
  REQUIRE(pair.driver.take_used(used));
  CHECK(used.cookie == 7);
  CHECK(used.written == 33);
  CHECK(pair.driver.free_entries() == 8);
}

TEST_CASE("a ring of any size passes every buffer once and in order, many times around its indices") {
  for (uint16_t size : {uint16_t{1}, uint16_t{2}, uint16_t{8}, uint16_t{256}, uint16_t{4096}}) {
    CAPTURE(size);
    Pair pair(size);
    std::mt19937 random(size);
    uint32_t sent = 0, received = 0;
    while (received < (kSanitized ? 70'000u : 200'000u)) {  // once or three times around 65536
      uint32_t batch = static_cast<uint32_t>(random() % (pair.driver.free_entries() + 1u));
      for (uint32_t i = 0; i < batch; i++) {
        pair.driver.add(pair.memory.address(0) + sent % 512, 1 + sent % 1000, false, sent);
        sent++;
      }
      pair.driver.publish();
      pair.device.begin();
      std::vector<Chain> chains(size);
      uint32_t taken = pair.device.look_ahead(chains.data(), static_cast<uint32_t>(random() % (size + 1u)));
      for (uint32_t i = 0; i < taken; i++) {
        BufferPiece piece;
        PieceList pieces{&piece};
        vring_desc first;
        REQUIRE(pair.device.take(chains[i], first));
        REQUIRE(pair.device.walk<Direction::kReadable>(chains[i], first, pair.memory.table(), pieces));
        REQUIRE(pieces.count == 1);
        chains[i].written = static_cast<uint32_t>(pieces.total);
      }
      pair.device.complete(chains.data(), taken);
      for (uint16_t count = pair.driver.used_entries(); count != 0; count--) {
        Completion used{};
        REQUIRE(pair.driver.take_used(used));
        REQUIRE(used.cookie == received);
        REQUIRE(used.written == 1 + received % 1000);
        received++;
      }
    }
    CHECK_FALSE(pair.driver.broken());
    CHECK(pair.device.error() == RingError::kNone);
  }
}

TEST_CASE("two threads: nothing lost, nothing twice, nothing before its contents") {
  constexpr uint32_t kCount = kSanitized ? 50'000 : 500'000;
  Pair pair(64);
  std::atomic<bool> failed{false};
  // One mapping for both sides, so that a thread sanitizer sees them meet.
  pair.device.attach(pair.driver.ring(), 0);
  std::thread device([&] {
    for (uint32_t done = 0; done < kCount && !failed;) {
      Chain chains[64];
      pair.device.begin();
      uint32_t taken = pair.device.look_ahead(chains, 64);
      if (taken == 0) sched_yield();
      for (uint32_t i = 0; i < taken; i++, done++) {
        vring_desc first;
        if (!pair.device.take(chains[i], first)) failed = true;
        // The length stands for the contents: it was written before the index that announced it.
        chains[i].written = first.len ^ 0x5555u;
      }
      pair.device.complete(chains, taken);
      if (pair.device.error() != RingError::kNone) failed = true;
    }
  });
  uint32_t sent = 0, received = 0;
  while (received < kCount && !failed) {
    while (pair.driver.free_entries() != 0 && sent < kCount) {
      pair.driver.add(0, sent, false, sent);
      sent++;
    }
    pair.driver.publish();
    uint16_t used = pair.driver.used_entries();
    if (used == 0) sched_yield();
    for (; used != 0; used--, received++) {
      Completion done{};
      bool good = pair.driver.take_used(done) && done.cookie == received && done.written == (received ^ 0x5555u);
      if (!good) failed = true;
    }
  }
  device.join();
  CHECK_FALSE(failed);
  CHECK(pair.device.error() == RingError::kNone);
}

TEST_CASE("suppression: each side sees the other one's wish") {
  Pair pair(8);
  CHECK_FALSE(pair.device.call_wanted());  // a fresh driver refuses calls
  pair.driver.want_calls();
  CHECK(pair.device.call_wanted());
  pair.driver.refuse_calls();
  CHECK_FALSE(pair.device.call_wanted());
  CHECK(pair.driver.kick_wanted());
  pair.device.refuse_kicks();
  CHECK_FALSE(pair.driver.kick_wanted());
  pair.device.want_kicks();
  CHECK(pair.driver.kick_wanted());
}

TEST_CASE("reset: an empty ring with everything free, whatever was outstanding") {
  Pair pair(4);
  for (uint32_t i = 0; i < 3; i++) pair.driver.add(0, 1, false, 100 + i);
  pair.driver.publish();
  uint32_t sum = 0;
  pair.driver.for_each_outstanding([&](uint32_t cookie) { sum += cookie; });
  CHECK(sum == 303);
  pair.driver.reset();
  CHECK(pair.driver.free_entries() == 4);
  CHECK(pair.driver.used_entries() == 0);
  pair.driver.for_each_outstanding([&](uint32_t) { FAIL("nothing is outstanding after reset()"); });
  pair.device.attach(pair.memory.translated(pair.driver.ring()), 0);
  CHECK(pair.device.available() == 0);
}

TEST_CASE("a device attached at an index goes on from there") {
  Pair pair(8);
  Completion used{};
  for (uint32_t i = 0; i < 13; i++) {
    pair.driver.add(0, 1, false, i);
    pair.driver.publish();
    Chain chain{};
    pair.device.begin();
    REQUIRE(pair.device.look_ahead(&chain, 1) == 1);
    pair.device.complete(&chain, 1);
    REQUIRE(pair.driver.used_entries() == 1);
    REQUIRE(pair.driver.take_used(used));
  }
  CHECK(pair.device.base() == 13);
  SplitDeviceQueue<> successor;
  successor.attach(pair.memory.translated(pair.driver.ring()), static_cast<uint16_t>(pair.device.base()));
  CHECK(successor.available() == 0);
  pair.driver.add(0, 1, false, 99);
  pair.driver.publish();
  REQUIRE(successor.available() == 1);
  Chain chain{};
  successor.begin();
  REQUIRE(successor.look_ahead(&chain, 1) == 1);
  chain.written = 5;
  successor.complete(&chain, 1);
  REQUIRE(pair.driver.used_entries() == 1);
  REQUIRE(pair.driver.take_used(used));
  CHECK(used.cookie == 99);
}

}  // namespace
}  // namespace usvhost::test
