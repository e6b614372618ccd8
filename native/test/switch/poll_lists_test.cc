// SPDX-License-Identifier: Apache-2.0
// Which ports a pass visits: quiet ones are left alone and come back with their first frame, whoever else is busy; a port that is
// gone is not touched again.
#include "switch/poll_lists.h"

#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "switch/data_thread.h"
#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

/** Lists with a forwarder behind them, as a data thread has them. */
struct Passes {
  explicit Passes(PodBench& of, uint32_t number = 0, uint32_t threads = 1)
      : bench(of), lists(of.table, number, threads) {}
  uint32_t pass() {
    visited.clear();
    return lists.pass([&](PortRuntime& port) {
      visited.push_back(port.index);
      return bench.forwarder.forward(port, 1);
    });
  }
  void until_quiet() {
    for (uint32_t i = 0; i < PollLists::kPassesUntilQuiet; i++) REQUIRE(pass() == 0);
    REQUIRE(lists.busy() == 0);
  }
  bool was_visited(uint16_t port) const { return std::count(visited.begin(), visited.end(), port) != 0; }

  PodBench& bench;
  PollLists lists;
  std::vector<uint16_t> visited;
};

TEST_CASE("poll lists: a port without frames becomes quiet, and its first frame is moved by the next pass") {
  PodBench bench;
  Passes passes(bench);
  for (uint32_t i = 0; i < PollLists::kPassesUntilQuiet; i++) {
    CHECK(passes.pass() == 0);
    CHECK(passes.visited.size() == 3);
  }
  CHECK(passes.lists.busy() == 0);
  CHECK(passes.lists.quiet() == 3);
  CHECK(passes.pass() == 0);
  CHECK(passes.visited.empty());
  bench.pods[1].send(frame(mac(9), mac(2)));
  CHECK(passes.pass() == 1);
  CHECK(passes.visited == std::vector<uint16_t>{1});
  CHECK(passes.lists.busy() == 1);
  CHECK(passes.lists.quiet() == 2);
}

TEST_CASE("poll lists: a quiet port waits for a bounded number of the others' frames") {
  PodBench bench;
  Passes passes(bench);
  passes.until_quiet();
  bench.pods[2].send(frame(mac(9), mac(3)));
  REQUIRE(passes.pass() == 1);
  REQUIRE(passes.lists.busy() == 1);
  uint32_t waited = 0;
  for (int round = 0; round < 20; round++) {
    bench.pods[0].send(frame(mac(9), mac(1)));
    for (waited = 0; bench.pods[0].count(Counter::tx_packets) != static_cast<uint64_t>(round + 1); waited++) {
      REQUIRE(waited <= PollLists::kFramesUntilLook);
      bench.pods[2].send(frame(mac(9), mac(3)));
      passes.pass();
    }
    // A pass in which nobody had anything ends it at once.
    for (uint32_t i = 0; i <= PollLists::kPassesUntilQuiet; i++) {
      if (i % 8 == 0) bench.pods[2].send(frame(mac(9), mac(3)));
      passes.pass();
    }
    REQUIRE(passes.lists.quiet() == 2);
  }
  CHECK(waited > 0);
}

TEST_CASE("poll lists: any queue of a port that has several brings it back") {
  for (uint16_t queue = 0; queue < 3; queue++) {
    CAPTURE(queue);
    PodBench bench;
    RawRing rings[3];
    DeviceQueue queues[3];
    GuestMemory memory(3 * 8192 + 4096);
    PortRuntime& port = bench.pods[0].runtime;
    for (uint16_t i = 0; i < 3; i++) {
      rings[i].attach(memory.at(i * 8192), 64);
      queues[i].attach(memory.translated(rings[i].ring()), 0, 0);
      port.transmit[i] = {&queues[i], -1, true};
    }
    port.memory = &memory.table();
    port.transmit_count = 3;
    Passes passes(bench);
    passes.until_quiet();
    CHECK(passes.lists.quiet() == 5);
    rings[queue].describe(0, memory.address(3 * 8192), 100);
    rings[queue].offer(0);
    CHECK(passes.pass() == 1);
    CHECK(rings[queue].used() == 1);
    CHECK(passes.lists.quiet() == 2);
    CHECK(passes.lists.busy() == 1);
  }
}

TEST_CASE("poll lists: a port that is gone is not touched again, and the others stay as they were") {
  PodBench bench;
  auto gone = std::make_unique<Pod>(bench.table, bench.network, uint16_t{3});
  Passes passes(bench);
  SUBCASE("quiet") { passes.until_quiet(); }
  SUBCASE("busy") { passes.pass(); }
  size_t busy = passes.lists.busy();
  bench.table.withdraw(3);
  // Its rings are unmapped with it: a look at them is a fault.
  gone.reset();
  CHECK(passes.pass() == 0);
  CHECK_FALSE(passes.was_visited(3));
  CHECK(passes.lists.busy() + passes.lists.quiet() == 3);
  CHECK(passes.lists.busy() == (busy == 0 ? 0 : 3));
}

TEST_CASE("poll lists: a port that comes back with another ring is served from there") {
  PodBench bench;
  Passes passes(bench);
  passes.until_quiet();
  bench.table.withdraw(1);
  bench.pods[1].transmit.attach(bench.pods[1].memory.at(0), Pod::kSize);
  bench.pods[1].negotiate(feature_bit(VIRTIO_RING_F_EVENT_IDX));
  bench.pods[1].send(frame(mac(9), mac(2)));
  bench.table.publish(1, &bench.pods[1].runtime);
  CHECK(passes.pass() == 1);
  CHECK(bench.pods[1].transmit.used() == 1);
}

TEST_CASE("poll lists: each thread has its own ports, and one without transmit queues is nobody's") {
  PodBench bench;
  bench.pods[1].runtime.transmit_count = 0;
  Passes even(bench, 0, 2), odd(bench, 1, 2);
  even.pass();
  odd.pass();
  CHECK(even.visited == std::vector<uint16_t>{0, 2});
  CHECK(odd.visited.empty());
}

/** Sends one frame after the other from a port that has nothing in between; false when one stays in its ring for a minute. */
bool sends_all(Pod& pod, uint32_t frames, const PollThread& thread) {
  std::mt19937 random(20261126);
  for (uint32_t sent = 1; sent <= frames; sent++) {
    // From "a moment ago" to "quiet for long"; the thread of the mode may sleep by then.
    for (uint32_t spins = random() % 8192; spins != 0; spins--) asm volatile("" ::: "memory");
    pod.send(frame(mac(9), mac(1)));
    // Fence [D2], as a driver has it.
    full_fence();
    if ((load_once(&pod.transmit.ring().used->flags) & VRING_USED_F_NO_NOTIFY) == 0) thread.wake();
    if (!eventually([&] { return pod.transmit.used() == static_cast<uint16_t>(sent); })) return false;
  }
  return true;
}

TEST_CASE("poll lists: no frame of a port that was quiet is slept over, nor left behind the others' traffic") {
  constexpr uint32_t kFrames = kSanitized ? 500 : 5'000;
  for (PollMode mode : {PollMode::kAdaptive, PollMode::kInterrupt, PollMode::kPoll}) {
    for (bool traffic : {false, true}) {
      CAPTURE(static_cast<int>(mode));
      CAPTURE(traffic);
      PodBench bench;
      for (Pod& pod : bench.pods) pod.transmit_queue.refuse_kicks();
      DataThread data(bench.table, 0, 1, {-1, 20, "test", mode}, [] {});
      REQUIRE(data.start().ok());
      std::atomic<bool> stop{false};
      std::thread other([&] {
        Pod& pod = bench.pods[1];
        for (uint16_t sent = 0; traffic && !stop;) {
          if (static_cast<uint16_t>(sent - pod.transmit.used()) == Pod::kSize) continue;
          pod.send(frame(mac(9), mac(2)));
          sent++;
          full_fence();
          if ((load_once(&pod.transmit.ring().used->flags) & VRING_USED_F_NO_NOTIFY) == 0) data.thread().wake();
        }
      });
      CHECK(sends_all(bench.pods[0], kFrames, data.thread()));
      stop = true;
      other.join();
      data.stop();
      CHECK(bench.pods[0].count(Counter::tx_packets) == kFrames);
    }
  }
}

}  // namespace
}  // namespace usvhost::test
