// SPDX-License-Identifier: Apache-2.0
// Indirect tables of a split ring (virtio 1.2, 2.7.5.3): what a table may be, and every way in which it may not.
#include <algorithm>
#include <random>
#include <thread>

#include "test/guest_memory.h"
#include "test/raw_ring.h"
#include "test/support.h"
#include "virtio/split_device.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kSize = 8;
constexpr size_t kTable = 4096, kData = 8192;
constexpr uint16_t kNext = VRING_DESC_F_NEXT, kWrite = VRING_DESC_F_WRITE, kIndirect = VRING_DESC_F_INDIRECT;

struct Bench {
  explicit Bench(bool negotiated = true) : memory(64 * 4096) {
    ring.attach(memory.at(0), kSize);
    queue.attach(memory.translated(ring.ring()), 0, negotiated);
  }
  uint64_t table(size_t entry = 0) const { return memory.address(kTable + 16 * entry); }
  uint64_t data(size_t offset = 0) const { return memory.address(kData + offset); }
  /** Entry `index` of a table at `at`. */
  void entry(uint16_t index, uint64_t address, uint32_t length, uint16_t flags = 0, uint16_t next = 0,
             size_t at = kTable) {
    vring_desc descriptor{address, length, flags, next};
    memcpy(memory.at(at + 16u * index), &descriptor, sizeof descriptor);
  }
  template <Direction kDirection = Direction::kReadable>
  bool walk() {
    PieceList list{pieces};
    Chain chain{};
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

TEST_CASE("indirect: a table is walked from its first entry, by its own next indices") {
  Bench bench;
  bench.ring.describe(0, bench.table(), 4 * 16, kIndirect);
  bench.entry(0, bench.data(0), 12, kNext, 3);
  bench.entry(3, bench.data(100), 7, kNext, 1);
  bench.entry(1, bench.data(200), 5);
  REQUIRE(bench.walk());
  REQUIRE(bench.count == 3);
  CHECK(bench.total == 24);
  CHECK(bench.pieces[1].data == bench.memory.table().translate(bench.data(100), 7));
  CHECK(bench.pieces[2].length == 5);
}

TEST_CASE("indirect: behind direct descriptors, at any address, with a write flag that says nothing") {
  for (size_t shift : {0u, 1u, 2u, 7u, 8u}) {
    CAPTURE(shift);
    Bench bench;
    bench.ring.describe(0, bench.data(0), 12, kWrite | kNext, 5);
    bench.ring.describe(5, bench.table() + shift, 2 * 16, kIndirect | (shift % 2 == 0 ? kWrite : uint16_t{0}));
    bench.entry(0, bench.data(20), 100, kWrite | kNext, 1, kTable + shift);
    bench.entry(1, bench.data(200), 30, kWrite, 0, kTable + shift);
    REQUIRE(bench.walk<Direction::kWritable>());
    CHECK(bench.count == 3);
    CHECK(bench.total == 142);
  }
}

TEST_CASE("indirect: tables that must not be walked") {
  struct Case {
    const char* name;
    RingError error;
    void (*build)(Bench&);
  };
  const Case cases[] = {
      {"no bytes", RingError::kTable, [](Bench& b) { b.ring.describe(0, b.table(), 0, kIndirect); }},
      {"less than an entry", RingError::kTable, [](Bench& b) { b.ring.describe(0, b.table(), 15, kIndirect); }},
      {"an entry and a byte", RingError::kTable, [](Bench& b) { b.ring.describe(0, b.table(), 17, kIndirect); }},
      {"more entries than the queue", RingError::kTable,
       [](Bench& b) { b.ring.describe(0, b.table(), 16 * (kSize + 1), kIndirect); }},
      {"4 GiB of entries", RingError::kTable,
       [](Bench& b) { b.ring.describe(0, b.table(), UINT32_MAX - 15, kIndirect); }},
      {"the last byte is outside", RingError::kTable,
       [](Bench& b) { b.ring.describe(0, b.memory.end() - 31, 32, kIndirect); }},
      {"address 0", RingError::kTable, [](Bench& b) { b.ring.describe(0, 0, 16, kIndirect); }},
      {"the address wraps", RingError::kTable, [](Bench& b) { b.ring.describe(0, UINT64_MAX - 7, 16, kIndirect); }},
      {"with next", RingError::kIndirect, [](Bench& b) { b.ring.describe(0, b.table(), 16, kIndirect | kNext, 1); }},
      {"a table in a table, first", RingError::kIndirect,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 16, kIndirect);
         b.entry(0, b.table(), 16, kIndirect);
       }},
      {"a table in a table, later", RingError::kIndirect,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 32, kIndirect);
         b.entry(0, b.data(), 1, kNext, 1);
         b.entry(1, b.table(), 16, kIndirect);
       }},
      {"next is the number of entries", RingError::kNext,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 32, kIndirect);
         b.entry(0, b.data(), 1, kNext, 2);
       }},
      {"next is an entry of the ring, not of the table", RingError::kNext,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 16, kIndirect);
         b.entry(0, b.data(), 1, kNext, 5);
       }},
      {"an entry is next to itself", RingError::kLoop,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 16, kIndirect);
         b.entry(0, b.data(), 1, kNext, 0);
       }},
      {"a loop of empty entries", RingError::kLoop,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 32, kIndirect);
         b.entry(0, 0, 0, kNext, 1);
         b.entry(1, 0, 0, kNext, 0);
       }},
      {"longer than the queue with what was before it", RingError::kLoop,
       [](Bench& b) {
         b.ring.describe(0, b.data(), 1, kNext, 1);
         b.ring.describe(1, b.table(), 16 * kSize, kIndirect);
         for (uint16_t i = 0; i < kSize; i++) {
           b.entry(i, b.data(), 1, i + 1 < kSize ? kNext : uint16_t{0}, static_cast<uint16_t>(i + 1));
         }
       }},
      {"the other direction", RingError::kDirection,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 16, kIndirect);
         b.entry(0, b.data(), 1, kWrite);
       }},
      {"a piece outside", RingError::kAddress,
       [](Bench& b) {
         b.ring.describe(0, b.table(), 16, kIndirect);
         b.entry(0, b.memory.end() - 1, 2);
       }},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    Bench bench;
    bad.build(bench);
    CHECK_FALSE(bench.walk());
    CHECK(bench.queue.error() == bad.error);
  }
}

TEST_CASE("indirect: as many entries as the queue has, and not without negotiation") {
  Bench bench;
  bench.ring.describe(0, bench.table(), 16 * kSize, kIndirect);
  for (uint16_t i = 0; i < kSize; i++) {
    bench.entry(i, bench.data(i), 1, i + 1 < kSize ? kNext : uint16_t{0}, static_cast<uint16_t>(i + 1));
  }
  CHECK(bench.walk());
  CHECK(bench.count == kSize);
  bench.queue.attach(bench.memory.translated(bench.ring.ring()), 0, false);
  CHECK_FALSE(bench.walk());
  CHECK(bench.queue.error() == RingError::kIndirect);
}

TEST_CASE("indirect: a table that is rewritten while it is walked is some table, inside the memory") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: needs a race on purpose, which the thread sanitizer would report");
    return;
  }
  Bench bench;
  bench.ring.describe(0, bench.table(), 16 * kSize, kIndirect);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint32_t i = 0; !stop.load(std::memory_order_relaxed); i++) {
      auto* entry = reinterpret_cast<volatile vring_desc*>(bench.memory.at(kTable + 16 * (i % kSize)));
      entry->addr = i % 3 == 0 ? bench.memory.end() - 64 : bench.data(i % 2048);
      entry->len = i % 5 == 0 ? UINT32_MAX : i % 100;
      entry->flags = static_cast<uint16_t>(i % 7 == 0 ? kIndirect : i % 2 == 0 ? kNext : uint16_t{0});
      entry->next = static_cast<uint16_t>(i % 11);
    }
  });
  const uint8_t* low = bench.memory.table().translate(bench.memory.address(0), 1);
  const uint8_t* high = low + bench.memory.segment().size();
  uint64_t good = 0, bad = 0;
  for (int i = 0; i < (kSanitized ? 20'000 : 200'000) || good == 0 || bad == 0; i++) {
    bench.queue.attach(bench.memory.translated(bench.ring.ring()), 0, true);
    (bench.walk() ? good : bad)++;
    for (uint32_t k = 0; k < bench.count; k++) {
      bool inside = bench.pieces[k].data >= low && bench.pieces[k].length <= high - bench.pieces[k].data;
      REQUIRE(inside);
    }
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace usvhost::test
