// SPDX-License-Identifier: Apache-2.0
// The device side of a packed ring against a driver that counts entries and never wraps: order, contents, wrap counters, events.
#include <signal.h>
#include <sys/mman.h>

#include <deque>
#include <random>
#include <thread>

#include "test/raw_packed_ring.h"
#include "test/support.h"
#include "virtio/packed_device.h"

namespace usvhost::test {
namespace {

TEST_CASE("packed queue: chains of any length pass once and in order, many times around rings of any size") {
  for (uint16_t size :
       {uint16_t{1}, uint16_t{2}, uint16_t{3}, uint16_t{8}, uint16_t{255}, uint16_t{256}, uint16_t{4096}}) {
    CAPTURE(size);
    GuestMemory memory(128 * 1024);
    RawPackedRing driver;
    driver.attach(memory.at(0), size);
    PackedDeviceQueue<> device;
    device.attach(driver.in(memory), {});
    std::mt19937 random(size);
    struct Sent {
      uint16_t id;
      uint32_t entries;
      uint32_t bytes;
    };
    std::deque<Sent> outstanding;
    uint32_t received = 0;
    uint32_t wanted = kSanitized ? 20'000 : 100'000;
    std::vector<BufferPiece> pieces(size);
    while (received < wanted) {
      for (auto chains = static_cast<uint32_t>(random() % 40); chains != 0 && driver.room() != 0; chains--) {
        auto entries =
            static_cast<uint32_t>(1 + random() % std::min<uint32_t>(driver.room(), random() % 8 == 0 ? 9 : 2));
        std::vector<RawPackedRing::Piece> parts;
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < entries; i++) {
          auto length = static_cast<uint32_t>(1 + random() % 500);
          parts.push_back({memory.address(100 * 1024), length, VRING_DESC_F_WRITE});
          bytes += length;
        }
        auto id = static_cast<uint16_t>(random());
        driver.offer(parts, id);
        outstanding.push_back({id, entries, bytes});
      }
      device.begin();
      std::vector<Chain> chains(32);
      uint32_t count = device.look_ahead(chains.data(), static_cast<uint32_t>(random() % 33));
      for (uint32_t i = 0; i < count; i++) {
        vring_desc first;
        if (!device.take(chains[i], first)) {
          count = i;
          break;
        }
        PieceList list{pieces.data()};
        REQUIRE(device.walk<Direction::kWritable>(chains[i], first, memory.table(), list));
        chains[i].written = static_cast<uint32_t>(list.total);
      }
      REQUIRE(count <= outstanding.size());
      device.complete(chains.data(), count);
      for (uint32_t i = 0; i < count; i++, received++) {
        auto used = driver.take(outstanding.front().entries);
        REQUIRE(used.has_value());
        REQUIRE(used->id == outstanding.front().id);
        REQUIRE(used->length == outstanding.front().bytes);
        REQUIRE(used->written);
        outstanding.pop_front();
      }
      REQUIRE_FALSE(driver.take().has_value());
    }
    CHECK(device.error() == RingError::kNone);
  }
}

TEST_CASE("packed queue: two threads, nothing lost, nothing before its contents, no burst seen in part") {
  constexpr uint32_t kCount = kSanitized ? 50'000 : 500'000;
  GuestMemory memory(64 * 1024);
  RawPackedRing driver;
  driver.attach(memory.at(0), 63);
  PackedDeviceQueue<> device;
  device.attach(driver.ring(), {});  // one mapping for both sides, so that a thread sanitizer sees them meet
  std::atomic<bool> failed{false};
  std::thread other([&] {
    for (uint32_t done = 0; done < kCount && !failed;) {
      device.begin();
      Chain chains[32];
      uint32_t count = device.look_ahead(chains, 32);
      if (count == 0) sched_yield();
      for (uint32_t i = 0; i < count; i++) {
        vring_desc first;
        if (!device.take(chains[i], first)) {
          count = i;
          break;
        }
        // The length stands for the contents; how many are left of the burst comes back with it.
        if (chains[i].id != (first.len & 0xffff)) failed = true;
      }
      for (uint32_t i = 0; i < count; i++) chains[i].written = count - i;
      device.complete(chains, count);
      done += count;
      if (device.error() != RingError::kNone) failed = true;
    }
  });
  uint32_t sent = 0, received = 0, rest = 0;
  while (received < kCount && !failed) {
    while (driver.room() != 0 && sent < kCount) {
      driver.offer({{memory.address(0), sent | 0x10000u}}, static_cast<uint16_t>(sent));
      sent++;
    }
    auto used = driver.take();
    // Once the first one of a burst is there all of it is.
    if (!used) {
      if (rest != 0) failed = true;
      sched_yield();
      continue;
    }
    if (used->id != (received & 0xffff) || (rest != 0 && used->length != rest)) failed = true;
    rest = used->length - 1;
    received++;
  }
  other.join();
  CHECK_FALSE(failed);
}

/** The page that is written to for the first time, and what stood in the first element then. */
struct WriteTrap {
  static inline uint8_t* page = nullptr;
  static inline const vring_packed_desc* first = nullptr;
  static inline uint16_t seen = 0;
  static inline int hits = 0;
  static void on_fault(int, siginfo_t*, void*) {
    seen = first->flags;
    hits++;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
  }
};

TEST_CASE("packed queue: while later elements of a burst are written the first one does not say that it is used") {
  constexpr uint16_t kEntries = 300;  // more than a page of them
  GuestMemory memory(64 * 1024);
  RawPackedRing driver;
  driver.attach(memory.at(0), kEntries);
  PackedDeviceQueue<> device;
  device.attach(driver.in(memory), {});
  for (uint16_t i = 0; i < kEntries; i++) driver.offer({{memory.address(32 * 1024), 1}}, i);
  Chain chains[kEntries];
  vring_desc first;
  device.begin();
  for (Chain& chain : chains) REQUIRE(device.take(chain, first));
  device.complete(chains, 250);
  // Elements 250 to 255 lie in the first page of the ring, those behind them in the second, which cannot be written now.
  WriteTrap::first = driver.in(memory).desc + 250;
  WriteTrap::page = reinterpret_cast<uint8_t*>(driver.in(memory).desc) + 4096;
  struct sigaction trap{}, before{};
  trap.sa_sigaction = WriteTrap::on_fault;
  trap.sa_flags = SA_SIGINFO;
  REQUIRE(sigaction(SIGSEGV, &trap, &before) == 0);
  REQUIRE(mprotect(WriteTrap::page, 4096, PROT_READ) == 0);
  device.complete(chains + 250, 10);
  sigaction(SIGSEGV, &before, nullptr);
  CHECK(WriteTrap::hits == 1);
  CHECK((WriteTrap::seen & (kPackedAvail | kPackedUsed)) == kPackedAvail);
  CHECK((WriteTrap::first->flags & (kPackedAvail | kPackedUsed)) == (kPackedAvail | kPackedUsed));
}

TEST_CASE("packed queue: flags switch calls and kicks on and off") {
  GuestMemory memory(64 * 1024);
  RawPackedRing driver;
  driver.attach(memory.at(0), 8);
  PackedDeviceQueue<> device;
  device.attach(driver.in(memory), {});
  CHECK_FALSE(device.call_wanted());
  driver.want_calls(VRING_PACKED_EVENT_FLAG_ENABLE);
  CHECK(device.call_wanted());
  driver.want_calls(VRING_PACKED_EVENT_FLAG_DISABLE, 0x8000);
  CHECK_FALSE(device.call_wanted());
  device.want_kicks();
  CHECK(driver.device_flags() == VRING_PACKED_EVENT_FLAG_ENABLE);
  device.refuse_kicks();
  CHECK(driver.device_flags() == VRING_PACKED_EVENT_FLAG_DISABLE);
}

TEST_CASE("packed queue: with event indices a call comes when the named entry has been used, and only then") {
  for (uint16_t size : {uint16_t{1}, uint16_t{5}, uint16_t{255}, uint16_t{256}, uint16_t{4096}}) {
    CAPTURE(size);
    GuestMemory memory(128 * 1024);
    RawPackedRing driver;
    driver.attach(memory.at(0), size);
    PackedDeviceQueue<EventIndexSuppression> device;
    device.attach(driver.in(memory), {});
    std::mt19937 random(size);
    uint64_t used = 0, event = 0;
    driver.want_calls(VRING_PACKED_EVENT_FLAG_DESC, driver.position(0));
    for (int round = 0; round < (kSanitized ? 2000 : 20'000); round++) {
      bool again = used > event;  // a driver waits for what is outstanding, never for what it has seen
      if (again) {
        event = used + random() % size;
        driver.want_calls(VRING_PACKED_EVENT_FLAG_DESC, driver.position(event));
      }
      auto count = static_cast<uint32_t>(1 + random() % size);
      std::vector<Chain> chains;
      for (uint32_t left = count; left != 0;) {
        auto entries = static_cast<uint16_t>(1 + random() % left);
        for (uint16_t i = 0; i < entries; i++) {
          driver.offer({{memory.address(0), 1, i + 1 < entries ? uint16_t{VRING_DESC_F_NEXT} : uint16_t{0}}}, 1);
        }
        chains.push_back({1, entries, 0});
        left -= entries;
      }
      device.begin();
      for (Chain& chain : chains) {
        vring_desc first;
        BufferPiece pieces[4096];
        PieceList list{pieces};
        Chain taken;
        REQUIRE(device.take(taken, first));
        REQUIRE(device.walk<Direction::kReadable>(taken, first, memory.table(), list));
        REQUIRE(taken.entries == chain.entries);
      }
      device.complete(chains.data(), static_cast<uint32_t>(chains.size()));
      for (const Chain& chain : chains) REQUIRE(driver.take(chain.entries).has_value());
      bool wanted = event >= used && event < used + count;
      used += count;
      bool called = device.call_wanted();
      // A full lap at once leaves it open which lap the driver meant: one call too many, never one too few.
      bool exact = round != 0 && count != size;
      if (wanted || exact) REQUIRE(called == wanted);
    }
    driver.want_calls(VRING_PACKED_EVENT_FLAG_DISABLE);
    CHECK_FALSE(device.call_wanted());
    device.want_kicks();
    CHECK(driver.device_event() == (driver.position(used) | uint32_t{VRING_PACKED_EVENT_FLAG_DESC} << 16));
    device.refuse_kicks();
    CHECK(driver.device_flags() == VRING_PACKED_EVENT_FLAG_DISABLE);
  }
}

}  // namespace
}  // namespace usvhost::test
