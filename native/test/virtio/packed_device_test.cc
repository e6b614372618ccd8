// SPDX-License-Identifier: Apache-2.0
// PackedDeviceQueue against rings that an attacker wrote: each impossible value has its error, and the first one is final.
#include "virtio/packed_device.h"

#include <algorithm>
#include <thread>

#include "test/raw_packed_ring.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kSize = 7;
constexpr size_t kTable = 4096, kData = 8192;
constexpr uint16_t kNext = VRING_DESC_F_NEXT, kWrite = VRING_DESC_F_WRITE, kIndirect = VRING_DESC_F_INDIRECT;

struct Attacked {
  explicit Attacked(bool indirect = true) : memory(64 * 4096) {
    ring.attach(memory.at(0), kSize);
    queue.attach(ring.in(memory), {}, indirect);
  }
  uint64_t data(size_t offset = 0) const { return memory.address(kData + offset); }
  uint64_t table() const { return memory.address(kTable); }
  void entry(uint16_t index, uint64_t address, uint32_t length, uint16_t flags = 0) {
    vring_packed_desc descriptor{address, length, 0, flags};
    memcpy(memory.at(kTable + 16u * index), &descriptor, sizeof descriptor);
  }
  /** Takes and walks the next chain; false when it is not there or not good. */
  template <Direction kDirection = Direction::kReadable>
  bool walk() {
    PieceList list{pieces};
    vring_desc first;
    queue.begin();
    bool good = queue.take(chain, first) && queue.walk<kDirection>(chain, first, memory.table(), list);
    count = list.count;
    total = list.total;
    CHECK(count <= kSize);
    return good;
  }
  GuestMemory memory;
  RawPackedRing ring;
  PackedDeviceQueue<> queue;
  Chain chain{};
  BufferPiece pieces[kSize + 1];
  uint32_t count = 0;
  uint64_t total = 0;
};

TEST_CASE("packed device: nothing in a fresh ring, then what was offered, with the id of its last descriptor") {
  Attacked a;
  CHECK_FALSE(a.queue.pending());
  CHECK_FALSE(a.walk());
  CHECK(a.queue.error() == RingError::kNone);
  a.ring.offer({{a.data(0), 12}, {0, 0}, {a.data(100), 5}}, 0xabcd);
  CHECK(a.queue.pending());
  REQUIRE(a.walk());
  CHECK(a.chain.id == 0xabcd);
  CHECK(a.chain.entries == 3);
  CHECK(a.count == 2);
  CHECK(a.total == 17);
  CHECK_FALSE(a.ring.take().has_value());
  a.queue.complete(&a.chain, 1);
  auto used = a.ring.take(3);
  REQUIRE(used.has_value());
  CHECK(used->id == 0xabcd);
  CHECK_FALSE(used->written);
  CHECK_FALSE(a.queue.pending());
}

TEST_CASE("packed device: chains that must not be walked") {
  struct Case {
    const char* name;
    RingError error;
    void (*build)(Attacked&);
  };
  const Case cases[] = {
      {"next, and the next one is not available", RingError::kNext,
       [](Attacked& a) { a.ring.offer({{a.data(), 1, kNext}}, 0); }},
      {"the whole ring is one chain without an end", RingError::kLoop,
       [](Attacked& a) { a.ring.offer(std::vector<RawPackedRing::Piece>(kSize, {a.data(), 1, kNext}), 0); }},
      {"writable in a readable chain", RingError::kDirection,
       [](Attacked& a) { a.ring.offer({{a.data(), 1, kWrite}}, 0); }},
      {"writable after readable", RingError::kDirection,
       [](Attacked& a) { a.ring.offer({{a.data(), 1}, {a.data(), 1, kWrite}}, 0); }},
      {"address 0", RingError::kAddress, [](Attacked& a) { a.ring.offer({{0, 1}}, 0); }},
      {"one byte beyond the region", RingError::kAddress,
       [](Attacked& a) { a.ring.offer({{a.memory.end() - 64, 65}}, 0); }},
      {"address and length wrap", RingError::kAddress, [](Attacked& a) { a.ring.offer({{UINT64_MAX - 7, 16}}, 0); }},
      {"the last piece is outside", RingError::kAddress,
       [](Attacked& a) { a.ring.offer({{a.data(), 12}, {a.memory.end() - 1, 2}}, 0); }},
      {"a table with next", RingError::kIndirect,
       [](Attacked& a) { a.ring.offer({{a.table(), 16, kIndirect}, {a.data(), 1}}, 0); }},
      {"a table in a chain", RingError::kIndirect,
       [](Attacked& a) { a.ring.offer({{a.data(), 1}, {a.table(), 16, kIndirect}}, 0); }},
      {"a table in a table", RingError::kIndirect,
       [](Attacked& a) {
         a.entry(0, a.data(), 1);
         a.entry(1, a.table(), 16, kIndirect);
         a.ring.offer({{a.table(), 32, kIndirect}}, 0);
       }},
      {"a table of nothing", RingError::kTable, [](Attacked& a) { a.ring.offer({{a.table(), 0, kIndirect}}, 0); }},
      {"a table with a byte too many", RingError::kTable,
       [](Attacked& a) { a.ring.offer({{a.table(), 17, kIndirect}}, 0); }},
      {"a table longer than the queue", RingError::kTable,
       [](Attacked& a) { a.ring.offer({{a.table(), 16 * (kSize + 1), kIndirect}}, 0); }},
      {"a table that ends outside", RingError::kTable,
       [](Attacked& a) { a.ring.offer({{a.memory.end() - 31, 32, kIndirect}}, 0); }},
      {"the other direction in a table", RingError::kDirection,
       [](Attacked& a) {
         a.entry(0, a.data(), 1, kWrite);
         a.ring.offer({{a.table(), 16, kIndirect}}, 0);
       }},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    Attacked a;
    bad.build(a);
    CHECK_FALSE(a.walk());
    CHECK(a.queue.error() == bad.error);
    CHECK_FALSE(a.queue.pending());
    CHECK(a.queue.look_ahead(&a.chain, 1) == 0);
    // The first error stays, whatever comes next.
    a.ring.at(0)->flags = kIndirect | kNext | kPackedAvail;
    a.walk();
    CHECK(a.queue.error() == bad.error);
  }
  Attacked a(false);
  a.entry(0, a.data(), 1);
  a.ring.offer({{a.table(), 16, kIndirect}}, 0);
  CHECK_FALSE(a.walk());
  CHECK(a.queue.error() == RingError::kIndirect);
}

TEST_CASE("packed device: a table is read from end to end, whatever its next flags say, and takes one entry") {
  Attacked a;
  a.entry(0, a.data(0), 12, kNext | kWrite);
  a.entry(1, a.data(20), 0, kWrite);
  a.entry(2, a.data(50), 30, kWrite);
  a.ring.offer({{a.table(), 48, static_cast<uint16_t>(kIndirect | kWrite)}}, 3);
  REQUIRE(a.walk<Direction::kWritable>());
  CHECK(a.count == 2);
  CHECK(a.total == 42);
  CHECK(a.chain.entries == 1);
  CHECK(a.chain.id == 3);
}

TEST_CASE("packed device: a ring that looks available for ever is taken once around, and given back whole") {
  Attacked a;
  for (uint32_t i = 0; i < kSize; i++) a.ring.offer({{a.data(), 1}}, static_cast<uint16_t>(i));
  a.queue.begin();
  Chain chains[2 * kSize];
  uint32_t taken = 0;
  vring_desc first;
  while (taken < 2 * kSize && a.queue.take(chains[taken], first)) {
    // As soon as an entry has been read it says that it is available in the next lap too.
    a.ring.at(taken)->flags = a.ring.avail_flags(taken + kSize);
    taken++;
  }
  CHECK(taken == kSize);
  CHECK(a.queue.error() == RingError::kNone);
  a.queue.complete(chains, taken);
  for (uint32_t i = 0; i < kSize; i++) CHECK(a.ring.take().has_value());
}

TEST_CASE("packed device: what was taken and not completed is taken again") {
  Attacked a;
  for (uint16_t i = 0; i < 4; i++) a.ring.offer({{a.data(), 1u + i}}, i);
  Chain chains[4];
  vring_desc first;
  a.queue.begin();
  for (Chain& chain : chains) REQUIRE(a.queue.take(chain, first));
  a.queue.complete(chains, 1);
  a.queue.begin();
  REQUIRE(a.queue.take(chains[0], first));
  CHECK(chains[0].id == 1);
  CHECK(first.len == 2);
}

TEST_CASE("packed device: a base is where both positions stand, and a successor goes on from there") {
  Attacked a;
  CHECK(a.queue.base() == 0x8000'8000);
  for (int i = 0; i < 9; i++) {  // two entries into the second lap
    a.ring.offer({{a.data(), 1}}, 0);
    REQUIRE(a.walk());
    a.queue.complete(&a.chain, 1);
    REQUIRE(a.ring.take().has_value());
  }
  CHECK(a.queue.base() == 0x0002'0002);
  PackedDeviceQueue<> successor;
  successor.attach(a.ring.in(a.memory), packed_base(a.queue.base()));
  CHECK_FALSE(successor.pending());
  a.ring.offer({{a.data(), 1}}, 77);
  CHECK(successor.pending());
  // What a front-end says that knows the low half only, and one whose back-end had taken more than it used.
  CHECK(packed_base(0x8000).word() == 0x8000);
  CHECK(packed_base(0x8000'0003).word() == 0x8000);
}

TEST_CASE(
    "packed device: a peer that rewrites a ring while it is walked gets it walked as some ring, inside its memory") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: needs a race on purpose, which the thread sanitizer would report");
    return;
  }
  Attacked a;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint32_t i = 0; !stop.load(std::memory_order_relaxed); i++) {
      auto* desc = reinterpret_cast<volatile vring_packed_desc*>(i % 3 == 0 ? a.ring.at(i) : a.ring.at(0));
      desc->addr = i % 3 == 0 ? a.memory.end() - 64 : i % 13 == 0 ? a.table() : a.data(i % 2048);
      desc->len = i % 5 == 0 ? UINT32_MAX : i % 13 == 0 ? 32 : i % 100;
      desc->flags = static_cast<uint16_t>((i % 7 == 0   ? kIndirect
                                           : i % 2 == 0 ? kNext
                                                        : uint16_t{0}) |
                                          (i % 17 == 0 ? kPackedUsed : kPackedAvail));
    }
  });
  const uint8_t* low = a.memory.table().translate(a.memory.address(0), 1);
  const uint8_t* high = low + a.memory.segment().size();
  uint64_t good = 0, bad = 0;
  for (int i = 0; i < (kSanitized ? 20'000 : 200'000) || good == 0 || bad == 0; i++) {
    a.queue.attach(a.ring.in(a.memory), {}, true);
    (a.walk() ? good : bad)++;
    REQUIRE(a.chain.entries <= kSize);
    for (uint32_t k = 0; k < a.count; k++) {
      bool inside = a.pieces[k].data >= low && a.pieces[k].length <= high - a.pieces[k].data;
      REQUIRE(inside);
    }
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace usvhost::test
