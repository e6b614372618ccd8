// SPDX-License-Identifier: Apache-2.0
// MacTable: it learns, ages, stays bounded, and nobody can take a configured address over.
#include "switch/mac_table.h"

#include <thread>

#include "test/support.h"

namespace usvhost::test {
namespace {

using Learned = MacTable::Learned;
constexpr uint32_t kAge = 300;

/** The n-th of many unicast addresses. */
MacAddress numbered(uint64_t n) { return 0x02 | (n & 0xff'ffff'ffff) << 8; }

TEST_CASE("an unknown address has no port, a learned one has") {
  MacTable table(64, kAge, 4);
  CHECK(table.lookup(mac(1), 0) == MacTable::kNoPort);
  CHECK(table.lookup(0, 0) == MacTable::kNoPort);
  CHECK(table.learn(mac(1), 3, 0) == Learned::kNew);
  CHECK(table.learn(mac(1), 3, 0) == Learned::kKnown);
  CHECK(table.lookup(mac(1), 0) == 3);
  CHECK(table.learn(0, 2, 0) == Learned::kNew);
  CHECK(table.lookup(0, 0) == 2);
}

TEST_CASE("a host that moves is found at its new port") {
  MacTable table(64, kAge, 4);
  table.learn(mac(1), 0, 10);
  CHECK(table.learn(mac(1), 1, 11) == Learned::kNew);
  CHECK(table.lookup(mac(1), 11) == 1);
}

TEST_CASE("an entry ages to the second, and a frame renews it") {
  MacTable table(64, kAge, 4);
  table.learn(mac(1), 1, 1000);
  CHECK(table.lookup(mac(1), 1000 + kAge) == 1);
  CHECK(table.lookup(mac(1), 1000 + kAge + 1) == MacTable::kNoPort);
  CHECK(table.learn(mac(1), 1, 1200) == Learned::kKnown);
  CHECK(table.lookup(mac(1), 1200 + kAge) == 1);
}

TEST_CASE("clocks of two threads that differ by a second do not age anything") {
  MacTable table(64, kAge, 4);
  table.learn(mac(1), 1, 1000);
  CHECK(table.lookup(mac(1), 999) == 1);
  table.learn(mac(2), 1, UINT32_MAX);
  CHECK(table.lookup(mac(2), 5) == 1);
}

TEST_CASE("a configured address: never learned by another port, never aged") {
  MacTable table(64, kAge, 4);
  REQUIRE(table.add_static(mac(1), 0));
  CHECK(table.learn(mac(1), 1, 0) == Learned::kSpoofed);
  CHECK(table.learn(mac(1), 0, 0) == Learned::kKnown);
  CHECK(table.lookup(mac(1), 4'000'000'000) == 0);
  CHECK(table.learn(mac(1), 1, 4'000'000'000) == Learned::kSpoofed);
  CHECK(table.lookup(mac(1), 0) == 0);
}

TEST_CASE("a configured address is not given to a second port; a learned one is taken from its finder") {
  MacTable table(64, kAge, 4);
  REQUIRE(table.add_static(mac(1), 0));
  CHECK_FALSE(table.add_static(mac(1), 1));
  CHECK(table.lookup(mac(1), 0) == 0);
  CHECK(table.add_static(mac(1), 0));
  table.learn(mac(2), 3, 0);
  CHECK(table.add_static(mac(2), 1));
  CHECK(table.lookup(mac(2), 0) == 1);
  CHECK(table.learn(mac(2), 3, 0) == Learned::kSpoofed);
}

TEST_CASE("removing a port forgets what it learned and what it was given, and nobody else's") {
  MacTable table(256, kAge, 4);
  REQUIRE(table.add_static(mac(1), 1));
  table.learn(mac(2), 1, 0);
  table.learn(mac(3), 2, 0);
  table.remove_port(1);
  CHECK(table.lookup(mac(1), 0) == MacTable::kNoPort);
  CHECK(table.lookup(mac(2), 0) == MacTable::kNoPort);
  CHECK(table.lookup(mac(3), 0) == 2);
  CHECK(table.learn(mac(1), 3, 0) == Learned::kNew);
}

TEST_CASE("one port learns at most a quarter; others are not pushed out") {
  constexpr uint32_t kEntries = 1024;
  MacTable table(kEntries, kAge, 4);
  table.learn(mac(9), 2, 0);
  uint32_t learned = 0;
  for (uint64_t i = 0; i < 1'000'000; i++) {
    if (table.learn(numbered(i << 8), 1, 0) == Learned::kNew) learned++;
  }
  CHECK(learned == kEntries / 4);
  CHECK(table.lookup(mac(9), 0) == 2);
  uint32_t others = 0;
  for (uint64_t i = 0; i < 100; i++) others += table.learn(numbered(i << 8 | 1 << 30), 3, 0) == Learned::kNew ? 1 : 0;
  CHECK(others > 90);
  // Aged entries make room in the table and in the quota.
  table.remove_port(1);
  CHECK(table.learn(numbered(5 << 8), 1, 0) == Learned::kNew);
}

TEST_CASE("taking addresses over counts against the quota too") {
  constexpr uint32_t kEntries = 64;
  MacTable table(kEntries, kAge, 8);
  std::vector<MacAddress> theirs;
  for (uint64_t i = 0; theirs.size() < 40 && i < 10'000; i++) {
    auto port = static_cast<uint16_t>(2 + theirs.size() / 14);
    if (table.learn(numbered(i), port, 0) == Learned::kNew) theirs.push_back(numbered(i));
  }
  REQUIRE(theirs.size() == 40);
  uint32_t taken = 0;
  for (MacAddress address : theirs) taken += table.learn(address, 1, 0) == Learned::kNew ? 1 : 0;
  CHECK(taken == kEntries / 4);
}

TEST_CASE("aged entries are replaced and leave their finder's quota") {
  MacTable table(64, kAge, 4);
  for (uint32_t generation = 0; generation < 50; generation++) {
    uint32_t now = generation * (kAge + 1);
    uint32_t learned = 0;
    for (uint64_t i = 0; i < 2000; i++) {
      if (table.learn(numbered(generation * 10'000 + i), 1, now) == Learned::kNew) learned++;
    }
    // What is counted is what lies in the table, aged or not: some of the old ones still stand in other buckets.
    CHECK(learned > 0);
    CHECK(learned <= 16);
  }
}

TEST_CASE("a bucket full of configured addresses refuses one more instead of dropping one") {
  MacTable table(64, kAge, 4);
  uint32_t added = 0, refused = 0;
  std::vector<MacAddress> kept;
  for (uint64_t i = 0; i < 500; i++) {
    if (table.add_static(numbered(i), 1)) {
      added++;
      kept.push_back(numbered(i));
    } else {
      refused++;
    }
  }
  CHECK(added == 64);
  CHECK(refused == 436);
  for (MacAddress address : kept) CHECK(table.lookup(address, 0) == 1);
  CHECK(table.learn(numbered(1000), 2, 0) == Learned::kRefused);
}

TEST_CASE("a port that is removed while others learn keeps its quota right") {
  MacTable table(64, kAge, 4);
  std::atomic<bool> stop{false};
  // Port 2 takes addresses from port 1 as fast as it can, while port 1 comes and goes.
  std::thread thief([&] {
    for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); i++) table.learn(numbered(i % 12), 2, 0);
  });
  for (int round = 0; round < (kSanitized ? 2000 : 20'000); round++) {
    for (uint64_t i = 0; i < 12; i++) table.learn(numbered(i), 1, 0);
    table.remove_port(1);
  }
  stop = true;
  thief.join();
  table.remove_port(1);
  table.remove_port(2);
  for (uint16_t port : {uint16_t{1}, uint16_t{2}}) {
    CAPTURE(port);
    uint32_t learned = 0;
    for (uint64_t i = 0; i < 1000; i++) learned += table.learn(numbered(5000 + i), port, 0) == Learned::kNew ? 1 : 0;
    CHECK(learned == 16);
    table.remove_port(port);
  }
}

}  // namespace
}  // namespace usvhost::test
