// SPDX-License-Identifier: Apache-2.0
// All four driver queues against devices that are written here from the specification alone, and that complete in every way
// it allows: one by one, in batches that one entry stands for, and in any order where order is free.
#include <deque>
#include <random>

#include "test/guest_memory.h"
#include "test/support.h"
#include "virtio/packed_driver.h"
#include "virtio/split_driver.h"

namespace usvhost::test {
namespace {

/** A buffer as a device finds it. */
struct Found {
  uint32_t id;
  uint32_t entries;
  std::vector<Piece> pieces;
};

Piece piece_of(uint64_t address, uint32_t length) { return {address, length}; }

/** Virtio 1.2, 2.7, for rings in our own memory. */
struct SplitDevice {
  explicit SplitDevice(const SplitRing& at) : ring(at) {}
  bool next(Found& out) {
    if (load_acquire(&ring.avail->idx) == seen) return false;
    uint16_t index = ring.avail->ring[seen++ % ring.size];
    out = {index, 1, {}};
    const vring_desc* table = ring.desc;
    if ((table[index].flags & VRING_DESC_F_INDIRECT) != 0) {
      CHECK(table[index].len % sizeof(vring_desc) == 0);
      table = reinterpret_cast<const vring_desc*>(table[index].addr);
      index = 0;
    }
    for (;; index = table[index].next) {
      out.pieces.push_back(piece_of(table[index].addr, table[index].len));
      if ((table[index].flags & VRING_DESC_F_NEXT) == 0) return true;
    }
  }
  /** One entry for `batch` buffers, of which `last` is the last. */
  void complete(const Found& last, uint32_t length, const std::vector<Found>& batch) {
    ring.used->ring[used % ring.size] = {last.id, length};
    used = static_cast<uint16_t>(used + batch.size());
    store_release(&ring.used->idx, used);
  }
  SplitRing ring;
  uint16_t seen = 0, used = 0;
};

/** Virtio 1.2, 2.8. */
struct PackedDevice {
  explicit PackedDevice(const PackedRing& at) : ring(at) {}
  bool next(Found& out) {
    if (!seen.is_avail(load_acquire(&ring.desc[seen.index].flags))) return false;
    out = {0, 0, {}};
    for (;;) {
      vring_packed_desc descriptor = ring.desc[seen.index];
      REQUIRE(seen.is_avail(descriptor.flags));
      out.id = descriptor.id;
      out.entries++;
      seen.advance(1, ring.size);
      if ((descriptor.flags & VRING_DESC_F_INDIRECT) != 0) {
        const auto* table = reinterpret_cast<const vring_packed_desc*>(descriptor.addr);
        for (uint32_t i = 0; i < descriptor.len / sizeof *table; i++)
          out.pieces.push_back(piece_of(table[i].addr, table[i].len));
        return true;
      }
      out.pieces.push_back(piece_of(descriptor.addr, descriptor.len));
      if ((descriptor.flags & VRING_DESC_F_NEXT) == 0) return true;
    }
  }
  void complete(const Found& last, uint32_t length, const std::vector<Found>& batch) {
    vring_packed_desc& to = ring.desc[used.index];
    to.id = static_cast<uint16_t>(last.id);
    to.len = length;
    store_release(&to.flags, used.used_flags());
    for (const Found& buffer : batch) used.advance(buffer.entries, ring.size);
  }
  PackedRing ring;
  PackedPosition seen, used;
};

template <class Queue, class Device, bool kInOrder>
struct Kind {
  using Driver = Queue;
  using Back = Device;
  static constexpr bool in_order = kInOrder;
};
using SplitAny = Kind<BasicSplitDriverQueue<false>, SplitDevice, false>;
using SplitInOrder = Kind<BasicSplitDriverQueue<true>, SplitDevice, true>;
using PackedAny = Kind<PackedDriverQueue<false>, PackedDevice, false>;
using PackedInOrder = Kind<PackedDriverQueue<true>, PackedDevice, true>;

/** What was added and has not come back. */
struct Sent {
  uint32_t cookie;
  std::vector<Piece> pieces;
};

template <class K>
void run_random_work(uint16_t size) {
  CAPTURE(size);
  constexpr uint32_t kTables = 4096;  // far more than buffers are outstanding
  GuestMemory memory(K::Driver::bytes(size) + kTables * 128u);
  typename K::Driver driver;
  driver.attach(memory.at(0), size);
  typename K::Back device(driver.ring());
  std::mt19937 random(size);
  auto chance = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  std::deque<Sent> outstanding;
  std::deque<Found> held;  // by the device
  uint32_t next_cookie = 0;
  uint64_t returned = 0;
  auto table_of = [&](uint32_t cookie) { return K::Driver::bytes(size) + (cookie % kTables) * 128u; };

  for (int step = 0; step < 6000; step++) {
    for (uint32_t n = chance(5); n != 0 && driver.free_entries() != 0; n--) {
      Sent sent{next_cookie++, {}};
      auto count = static_cast<uint16_t>(1 + (chance(3) == 0 ? chance(6) : 0));
      for (uint16_t i = 0; i < count; i++) sent.pieces.push_back({random(), 1 + chance(1000)});
      if (count == 1) {
        driver.add(sent.pieces[0].address, sent.pieces[0].length, false, sent.cookie);
      } else if (chance(2) == 0) {
        K::Driver::write_table(memory.at(table_of(sent.cookie)), sent.pieces.data(), count);
        driver.add_table(guest_address(memory.at(table_of(sent.cookie))), count, sent.cookie);
      } else if (count <= driver.free_entries()) {
        driver.add_chain(sent.pieces.data(), count, sent.cookie);
      } else {
        continue;
      }
      outstanding.push_back(std::move(sent));
    }
    driver.publish();
    for (Found found; device.next(found);) held.push_back(std::move(found));
    REQUIRE(held.size() == outstanding.size());

    std::vector<std::pair<Sent, uint32_t>> expected;  // with the length, UINT32_MAX for a skipped one
    for (uint32_t n = chance(4); n != 0 && !held.empty(); n--) {
      std::vector<Found> batch;
      size_t at = K::in_order ? 0 : chance(static_cast<uint32_t>(held.size()));
      uint32_t together = K::in_order ? 1 + chance(static_cast<uint32_t>(held.size())) : 1;
      uint32_t length = chance(5000);
      for (uint32_t i = 0; i < together; i++) {
        const Sent& sent = outstanding[at];
        REQUIRE(held[at].pieces.size() == sent.pieces.size());
        for (size_t k = 0; k < sent.pieces.size(); k++) {
          REQUIRE(held[at].pieces[k].address == sent.pieces[k].address);
          REQUIRE(held[at].pieces[k].length == sent.pieces[k].length);
        }
        expected.push_back({sent, i + 1 == together ? length : UINT32_MAX});
        batch.push_back(held[at]);
        held.erase(held.begin() + static_cast<long>(at));
        outstanding.erase(outstanding.begin() + static_cast<long>(at));
      }
      device.complete(batch.back(), length, batch);
    }
    // Now and then some are left for the next time, also in the middle of a batch.
    std::vector<std::pair<Sent, uint32_t>> got;
    CHECK((driver.used_entries() != 0) == !expected.empty());
    for (const auto& [sent, length] : expected) {
      REQUIRE(driver.used_entries() != 0);
      Completion used{};
      REQUIRE(driver.take_used(used));
      REQUIRE(used.cookie == sent.cookie);
      REQUIRE(used.whole == (length == UINT32_MAX));
      if (!used.whole) REQUIRE(used.written == length);
      returned++;
    }
    CHECK(driver.used_entries() == 0);
    REQUIRE_FALSE(driver.broken());
  }
  CHECK(returned > 3000);
  std::vector<uint32_t> left;
  driver.for_each_outstanding([&](uint32_t cookie) { left.push_back(cookie); });
  std::sort(left.begin(), left.end());
  REQUIRE(left.size() == outstanding.size());
  std::vector<uint32_t> known;
  for (const Sent& sent : outstanding) known.push_back(sent.cookie);
  std::sort(known.begin(), known.end());
  CHECK(left == known);
  driver.reset();
  CHECK(driver.free_entries() == size);
}

TEST_CASE_TEMPLATE("what is added is found by a device, and what it completes comes back", K, SplitAny, SplitInOrder,
                   PackedAny, PackedInOrder) {
  for (uint16_t size : {uint16_t{2}, uint16_t{8}, uint16_t{64}}) run_random_work<K>(size);
  if constexpr (K::Driver::kPacked) {
    for (uint16_t size : {uint16_t{3}, uint16_t{7}, uint16_t{255}}) run_random_work<K>(size);
  }
}

/** Four buffers of which the device has completed none. */
template <class K>
struct Posted {
  Posted() : memory(K::Driver::bytes(8) + 4096), device((driver.attach(memory.at(0), 8), driver.ring())) {
    for (uint32_t i = 0; i < 4; i++) driver.add(memory.address(4096), 64, true, 1000 + i);
    driver.publish();
    for (Found found; device.next(found);) buffers.push_back(found);
    REQUIRE(buffers.size() == 4);
  }
  bool take() { return driver.used_entries() != 0 && driver.take_used(used); }
  GuestMemory memory;
  typename K::Driver driver;
  typename K::Back device;
  std::vector<Found> buffers;
  Completion used{};
};

TEST_CASE_TEMPLATE("an id that is not outstanding breaks the queue before it indexes anything", K, SplitAny,
                   SplitInOrder, PackedAny, PackedInOrder) {
  for (uint32_t id : {4u, 7u, 8u, 9u, 255u, 0x8000u, 0xffffu}) {
    CAPTURE(id);
    Posted<K> posted;
    for (const Found& buffer : posted.buffers) REQUIRE(buffer.id < 4);
    Found lie{id, 1, {}};
    posted.device.complete(lie, 64, {lie});
    CHECK_FALSE(posted.take());
    CHECK(posted.driver.broken());
    CHECK(posted.driver.used_entries() == 0);
    CHECK(posted.driver.free_entries() == 4);
    CHECK_FALSE(posted.take());
  }
}

TEST_CASE_TEMPLATE("the same id twice breaks the queue the second time", K, SplitAny, SplitInOrder, PackedAny,
                   PackedInOrder) {
  Posted<K> posted;
  posted.device.complete(posted.buffers[0], 10, {posted.buffers[0]});
  posted.device.complete(posted.buffers[0], 10, {posted.buffers[0]});
  REQUIRE(posted.take());
  CHECK(posted.used.cookie == 1000);
  CHECK_FALSE(posted.take());
  CHECK(posted.driver.broken());
}

TEST_CASE("in order an index that counts fewer buffers than the entry stands for breaks a split queue") {
  Posted<SplitInOrder> posted;
  posted.device.complete(posted.buffers[2], 10, {posted.buffers[0], posted.buffers[1]});
  CHECK_FALSE(posted.take());
  CHECK(posted.driver.broken());
}

TEST_CASE("of a packed queue everything is nonsense while nothing is outstanding") {
  GuestMemory memory(PackedDriverQueue<false>::bytes(4));
  PackedDriverQueue<false> driver;
  driver.attach(memory.at(0), 4);
  std::mt19937 random(3);
  for (int i = 0; i < 10'000; i++) {
    for (size_t at = 0; at < PackedRing::desc_bytes(4); at++) memory.at(0)[at] = static_cast<uint8_t>(random());
    Completion used{};
    REQUIRE_FALSE(driver.take_used(used));
    CHECK(driver.free_entries() == 4);
    driver.reset();
  }
}

TEST_CASE_TEMPLATE("the first of a burst becomes visible last", K, PackedAny, PackedInOrder) {
  GuestMemory memory(K::Driver::bytes(8) + 4096);
  typename K::Driver driver;
  driver.attach(memory.at(0), 8);
  PackedDevice device(driver.ring());
  Found found;
  Piece pieces[3] = {{1, 1}, {2, 2}, {3, 3}};
  driver.add_chain(pieces, 3, 1);
  driver.add(4, 4, false, 2);
  CHECK_FALSE(device.next(found));
  CHECK(driver.publish());
  CHECK(device.next(found));
  CHECK(found.pieces.size() == 3);
  CHECK(device.next(found));
  CHECK_FALSE(driver.publish());
}

/** Publishes buffers one burst after the other, and asks whether a kick is wanted for each. */
template <class K, class Want>
void check_kicks(uint16_t size, Want want) {
  GuestMemory memory(K::Driver::bytes(size) + 4096);
  typename K::Driver driver;
  driver.attach(memory.at(0), size);
  driver.reset(true);
  typename K::Back device(driver.ring());
  std::mt19937 random(11);
  uint64_t published = 0;
  uint64_t event = 0;  // the number of the buffer whose coming the device wants to hear of
  for (int step = 0; step < 20'000; step++) {
    // To come, or just passed: an older one could not be told from one to come.
    event = random() % 2 == 0 || published == 0 ? published + random() % size : published - 1;
    want(driver.ring(), event);
    uint64_t count = 1 + random() % size;
    for (uint64_t i = 0; i < count; i++) driver.add(0, 1, false, 0);
    driver.publish();
    REQUIRE(driver.kick_wanted() == (event >= published && event < published + count));
    published += count;
    std::vector<Found> all;
    for (Found found; device.next(found);) {
      device.complete(found, 0, {found});
      Completion used{};
      REQUIRE(driver.used_entries() != 0);
      REQUIRE(driver.take_used(used));
    }
  }
}

TEST_CASE("with an event index exactly the burst that passes it is kicked for") {
  auto split = [](const SplitRing& ring, uint64_t event) {
    *reinterpret_cast<uint16_t*>(&ring.used->ring[ring.size]) = static_cast<uint16_t>(event);
  };
  auto packed = [](const PackedRing& ring, uint64_t event) {
    PackedPosition position{static_cast<uint16_t>(event % ring.size), event / ring.size % 2 == 0};
    *ring.device = {position.word(), VRING_PACKED_EVENT_FLAG_DESC};
  };
  check_kicks<SplitAny>(64, split);
  check_kicks<SplitInOrder>(8, split);
  check_kicks<PackedAny>(64, packed);
  check_kicks<PackedInOrder>(37, packed);
}

TEST_CASE("what a packed device says of kicks without an event index") {
  GuestMemory memory(PackedDriverQueue<false>::bytes(8));
  PackedDriverQueue<false> driver;
  driver.attach(memory.at(0), 8);
  for (auto [flags, wanted] : {std::pair<uint16_t, bool>{VRING_PACKED_EVENT_FLAG_ENABLE, true},
                               {VRING_PACKED_EVENT_FLAG_DISABLE, false},
                               // Not negotiated, or unknown: better a kick too many.
                               {VRING_PACKED_EVENT_FLAG_DESC, true},
                               {uint16_t{3}, true}}) {
    CAPTURE(flags);
    *driver.ring().device = {0x8005, flags};
    CHECK(driver.kick_wanted() == wanted);
  }
  driver.want_calls();
  CHECK(driver.ring().driver->flags == VRING_PACKED_EVENT_FLAG_ENABLE);
  driver.refuse_calls();
  CHECK(driver.ring().driver->flags == VRING_PACKED_EVENT_FLAG_DISABLE);
}

TEST_CASE("with an event index calls are asked for by the next used entry, and refused by one that has passed") {
  GuestMemory memory(SplitDriverQueue::bytes(8) + 4096);
  SplitDriverQueue driver;
  driver.attach(memory.at(0), 8);
  driver.reset(true);
  const uint16_t* used_event = &driver.ring().avail->ring[8];
  SplitDevice device(driver.ring());
  for (uint16_t round = 0; round < 20; round++) {
    CHECK(driver.ring().avail->flags == 0);
    driver.refuse_calls();
    CHECK_FALSE(vring_need_event(*used_event, static_cast<uint16_t>(round + 1), round));
    driver.want_calls();
    CHECK(vring_need_event(*used_event, static_cast<uint16_t>(round + 1), round));
    driver.add(0, 1, false, 0);
    driver.publish();
    Found found;
    REQUIRE(device.next(found));
    device.complete(found, 0, {found});
    Completion used{};
    REQUIRE(driver.used_entries() == 1);
    REQUIRE(driver.take_used(used));
  }
}

}  // namespace
}  // namespace usvhost::test
