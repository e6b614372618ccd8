// SPDX-License-Identifier: Apache-2.0
// SplitDeviceQueue against rings that an attacker wrote: each impossible value has its error, and the first one is final.
#include "virtio/split_device.h"

#include <thread>

#include "test/guest_memory.h"
#include "test/raw_ring.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kSize = 8;
constexpr size_t kData = 4096;
constexpr uint16_t kNext = VRING_DESC_F_NEXT, kWrite = VRING_DESC_F_WRITE, kIndirect = VRING_DESC_F_INDIRECT;

struct Attacked {
  Attacked() : memory(64 * 4096) {
    ring.attach(memory.at(0), kSize);
    queue.attach(memory.translated(ring.ring()), 0);
  }
  uint64_t data(size_t offset = 0) const { return memory.address(kData + offset); }
  /** Walks from descriptor 0. */
  template <Direction kDirection = Direction::kReadable>
  bool walk() {
    std::fill(std::begin(pieces), std::end(pieces), BufferPiece{nullptr, 0});
    Chain chain{};
    PieceList list{pieces};
    vring_desc first;
    bool good = queue.take(chain, first) && queue.walk<kDirection>(chain, first, memory.table(), list);
    count = list.count;
    total = list.total;
    CHECK(count <= kSize);
    return good;
  }
  GuestMemory memory;
  RawRing ring;
  SplitDeviceQueue<> queue;
  BufferPiece pieces[kSize + 1];
  uint32_t count = 0;
  uint64_t total = 0;
};

TEST_CASE("avail index: at most queue size ahead, else broken for good") {
  for (uint16_t ahead : {uint16_t{9}, uint16_t{10}, uint16_t{0x7fff}, uint16_t{0xffff}}) {
    CAPTURE(ahead);
    Attacked ring;
    ring.ring.set_avail(ahead);
    CHECK(ring.queue.available() == 0);
    CHECK(ring.queue.error() == RingError::kAvailIndex);
    // Behaving again does not help: a queue that has lied once stays broken.
    ring.ring.set_avail(1);
    CHECK(ring.queue.available() == 0);
    CHECK(ring.queue.error() == RingError::kAvailIndex);
  }
  Attacked ring;
  ring.ring.set_avail(kSize);
  CHECK(ring.queue.available() == kSize);
}

TEST_CASE("avail index: the same around 65536") {
  Attacked ring;
  ring.queue.attach(ring.memory.translated(ring.ring.ring()), 0xfffe);
  ring.ring.set_avail(0xfffe);
  CHECK(ring.queue.available() == 0);
  ring.ring.set_avail(6);
  CHECK(ring.queue.available() == kSize);
  ring.ring.set_avail(7);
  CHECK(ring.queue.available() == 0);
  CHECK(ring.queue.error() == RingError::kAvailIndex);
}

TEST_CASE("avail index that goes back is a jump of almost 65536") {
  Attacked ring;
  ring.ring.set_avail(4);
  REQUIRE(ring.queue.available() == 4);
  Chain chains[4] = {};
  ring.queue.complete(chains, 4);
  ring.ring.set_avail(3);
  CHECK(ring.queue.available() == 0);
  CHECK(ring.queue.error() == RingError::kAvailIndex);
}

TEST_CASE("head: below the queue size") {
  for (uint16_t head : {uint16_t{8}, uint16_t{9}, uint16_t{0x8000}, uint16_t{0xffff}}) {
    Attacked ring;
    ring.ring.offer(kSize - 1);
    ring.ring.offer(head);
    ring.ring.offer(0);
    Chain chains[3];
    ring.queue.begin();
    // The chain before it is good, and nothing behind it is looked at.
    CHECK(ring.queue.look_ahead(chains, 3) == 1);
    CHECK(chains[0].id == kSize - 1);
    CHECK(ring.queue.error() == RingError::kHead);
    CHECK(ring.queue.look_ahead(chains, 3) == 0);
  }
}

TEST_CASE("chains that must not be walked") {
  struct Case {
    const char* name;
    RingError error;
    void (*build)(Attacked&);
  };
  const Case cases[] = {
      {"next to itself", RingError::kLoop, [](Attacked& a) { a.ring.describe(0, a.data(), 1, kNext, 0); }},
      {"a cycle of two", RingError::kLoop,
       [](Attacked& a) {
         a.ring.describe(0, a.data(), 1, kNext, 1);
         a.ring.describe(1, a.data(), 1, kNext, 0);
       }},
      {"a cycle of empty pieces", RingError::kLoop,
       [](Attacked& a) {
         a.ring.describe(0, 0, 0, kNext, 1);
         a.ring.describe(1, 0, 0, kNext, 0);
       }},
      {"a tail that joins its middle", RingError::kLoop,
       [](Attacked& a) {
         for (uint16_t i = 0; i < kSize; i++) {
           uint16_t next = i + 1 == kSize ? uint16_t{3} : static_cast<uint16_t>(i + 1);
           a.ring.describe(i, a.data(), 1, kNext, next);
         }
       }},
      {"next is the queue size", RingError::kNext, [](Attacked& a) { a.ring.describe(0, a.data(), 1, kNext, kSize); }},
      {"next is 65535", RingError::kNext, [](Attacked& a) { a.ring.describe(0, a.data(), 1, kNext, 0xffff); }},
      {"writable in a readable chain", RingError::kDirection,
       [](Attacked& a) { a.ring.describe(0, a.data(), 1, kWrite); }},
      {"writable after readable", RingError::kDirection,
       [](Attacked& a) {
         a.ring.describe(0, a.data(), 1, kNext, 1);
         a.ring.describe(1, a.data(), 1, kWrite);
       }},
      {"indirect", RingError::kIndirect, [](Attacked& a) { a.ring.describe(0, a.data(), 16, kIndirect); }},
      {"indirect with next", RingError::kIndirect,
       [](Attacked& a) { a.ring.describe(0, a.data(), 16, kIndirect | kNext, 1); }},
      {"indirect in the middle", RingError::kIndirect,
       [](Attacked& a) {
         a.ring.describe(0, a.data(), 1, kNext, 1);
         a.ring.describe(1, a.data(), 16, kIndirect);
       }},
      {"address 0", RingError::kAddress, [](Attacked& a) { a.ring.describe(0, 0, 1); }},
      {"one byte beyond the region", RingError::kAddress,
       [](Attacked& a) { a.ring.describe(0, a.memory.end() - 64, 65); }},
      {"the first byte after the region", RingError::kAddress,
       [](Attacked& a) { a.ring.describe(0, a.memory.end(), 1); }},
      {"one byte before the region", RingError::kAddress,
       [](Attacked& a) { a.ring.describe(0, a.memory.address(0) - 1, 2); }},
      {"address and length wrap", RingError::kAddress, [](Attacked& a) { a.ring.describe(0, UINT64_MAX - 7, 16); }},
      {"length of 4 GiB", RingError::kAddress, [](Attacked& a) { a.ring.describe(0, a.data(), UINT32_MAX); }},
      {"the last piece is outside", RingError::kAddress,
       [](Attacked& a) {
         a.ring.describe(0, a.data(), 12, kNext, 1);
         a.ring.describe(1, a.memory.end() - 1, 2);
       }},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    Attacked ring;
    bad.build(ring);
    ring.ring.offer(0);
    CHECK_FALSE(ring.walk());
    CHECK(ring.queue.error() == bad.error);
    CHECK(std::string(describe(bad.error)).find("expected") == 0);
    CHECK(ring.queue.available() == 0);
    // The first error stays, whatever comes next.
    ring.ring.describe(0, 0, 1, kIndirect);
    ring.walk();
    CHECK(ring.queue.error() == bad.error);
  }
}

TEST_CASE("receive chains want writable pieces only") {
  Attacked ring;
  ring.ring.describe(0, ring.data(), 8, kWrite | kNext, 1);
  ring.ring.describe(1, ring.data(8), 8, kWrite);
  CHECK(ring.walk<Direction::kWritable>());
  CHECK(ring.total == 16);
  ring.ring.describe(1, ring.data(8), 8, 0);
  CHECK_FALSE(ring.walk<Direction::kWritable>());
  CHECK(ring.queue.error() == RingError::kDirection);
}

TEST_CASE("a chain as long as the queue is a chain; empty pieces are left out but counted") {
  Attacked ring;
  for (uint16_t i = 0; i < kSize; i++) {
    uint32_t length = i % 2 == 0 ? 3u : 0u;
    // The address of an empty piece says nothing and is not looked at.
    ring.ring.describe(i, length == 0 ? 0 : ring.data(i), length, i + 1 < kSize ? kNext : uint16_t{0},
                       static_cast<uint16_t>(i + 1));
  }
  REQUIRE(ring.walk());
  CHECK(ring.count == kSize / 2);
  CHECK(ring.total == 3 * kSize / 2);
  for (uint32_t i = 0; i < ring.count; i++) {
    CHECK(ring.pieces[i].length == 3);
    CHECK(ring.pieces[i].data == ring.memory.table().translate(ring.data(2 * i), 3));
  }
  CHECK(ring.pieces[ring.count].data == nullptr);
}

TEST_CASE("lengths add up in 64 bits") {
  Attacked ring;
  for (uint16_t i = 0; i < kSize; i++) {
    ring.ring.describe(i, ring.memory.address(0), 64 * 4096, i + 1 < kSize ? kNext : uint16_t{0},
                       static_cast<uint16_t>(i + 1));
  }
  REQUIRE(ring.walk());
  CHECK(ring.total == uint64_t{kSize} * 64 * 4096);
}

TEST_CASE("the device never reads its own index back from the guest") {
  Attacked ring;
  ring.ring.offer(0);
  ring.ring.ring().used->idx = 0x4242;
  Chain chain{0, 1, 5};
  ring.queue.complete(&chain, 1);
  CHECK(ring.ring.used() == 1);
  CHECK(ring.ring.used_entry(0).id == 0);
  CHECK(ring.ring.used_entry(0).len == 5);
}

TEST_CASE("used entries go around the ring and around 65536") {
  Attacked ring;
  ring.queue.attach(ring.memory.translated(ring.ring.ring()), 0xfffc);
  Chain chains[kSize];
  for (uint16_t i = 0; i < kSize; i++) chains[i] = {i, 1, i};
  ring.queue.complete(chains, kSize);
  CHECK(ring.ring.used() == 4);
  for (uint16_t i = 0; i < kSize; i++) CHECK(ring.ring.used_entry(static_cast<uint16_t>(0xfffc + i)).id == i);
}

TEST_CASE("a peer that rewrites a chain while it is walked gets it walked as some chain, inside its memory") {
  Attacked ring;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    // Through the peer's own mapping, as a pod would.
    for (uint32_t i = 0; !stop.load(std::memory_order_relaxed); i++) {
      auto* desc = reinterpret_cast<volatile vring_desc*>(&ring.ring.ring().desc[i % kSize]);
      desc->addr = i % 3 == 0 ? ring.memory.end() - 64 : ring.data(i % 2048);
      desc->len = i % 5 == 0 ? UINT32_MAX : i % 100;
      desc->flags = static_cast<uint16_t>(i % 7 == 0 ? kIndirect : i % 2 == 0 ? kNext : uint16_t{0});
      desc->next = static_cast<uint16_t>(i % 11);
    }
  });
  const uint8_t* low = ring.memory.table().translate(ring.memory.address(0), 1);
  const uint8_t* high = low + ring.memory.segment().size();
  uint64_t good = 0, bad = 0;
  for (int i = 0; i < (kSanitized ? 20'000 : 200'000) || good == 0 || bad == 0; i++) {
    ring.queue.attach(ring.memory.translated(ring.ring.ring()), 0);
    (ring.walk() ? good : bad)++;
    uint64_t sum = 0;
    for (uint32_t k = 0; k < ring.count; k++) {
      bool inside = ring.pieces[k].data >= low && ring.pieces[k].length <= high - ring.pieces[k].data;
      REQUIRE(inside);
      sum += ring.pieces[k].length;
    }
    REQUIRE(sum == ring.total);
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace usvhost::test
