// SPDX-License-Identifier: Apache-2.0
// A pod with several queues: its frames are taken from each in turn, and those for it are spread by flow and stay in order.
#include <map>

#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kEntries = 64;
constexpr uint64_t kFeatures = feature_bit(VIRTIO_NET_F_MQ);

/** Queues of one direction in a memory of their own, in place of the one queue of a pod. */
struct Queues {
  static constexpr size_t kBuffers = 64 * 1024;  // where they begin
  explicit Queues(uint16_t wanted) : memory(kBuffers + size_t{wanted} * kEntries * 2048), count(wanted) {
    for (uint16_t i = 0; i < count; i++) {
      rings[i].attach(memory.at(i * 8192), kEntries);
      queues[i].attach(memory.translated(rings[i].ring()), 0, kFeatures);
      calls[i].reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    }
  }
  void receive_of(PortRuntime& runtime) {
    runtime.memory = &memory.table();
    for (uint16_t i = 0; i < count; i++) runtime.receive[i] = {&queues[i], calls[i].get(), true};
    runtime.receive_count = count;
    for (uint16_t i = 0; i < count; i++) {
      rings[i].want_calls();
      for (uint16_t k = 0; k < kEntries; k++) {
        rings[i].describe(k, guest_address(buffer(i, k)), 2048, VRING_DESC_F_WRITE);
        rings[i].offer(k);
      }
    }
  }
  void transmit_of(PortRuntime& runtime) {
    runtime.memory = &memory.table();
    for (uint16_t i = 0; i < count; i++) runtime.transmit[i] = {&queues[i], calls[i].get(), true};
    runtime.transmit_count = count;
  }
  void send(uint16_t queue, const std::vector<uint8_t>& bytes) {
    uint16_t slot = rings[queue].avail() % kEntries;
    std::copy(bytes.begin(), bytes.end(), buffer(queue, slot) + kHeaderBytes);
    rings[queue].describe(slot, guest_address(buffer(queue, slot)), static_cast<uint32_t>(kHeaderBytes + bytes.size()));
    rings[queue].offer(slot);
  }
  uint8_t* buffer(uint16_t queue, uint16_t slot) const {
    return memory.at(kBuffers + (size_t{queue} * kEntries + slot) * 2048);
  }
  bool called(uint16_t queue) const {
    uint64_t count_of_calls;
    return ::read(calls[queue].get(), &count_of_calls, sizeof count_of_calls) == sizeof count_of_calls;
  }

  GuestMemory memory;
  uint16_t count;
  RawRing rings[kMaxQueuePairs];
  DeviceQueue queues[kMaxQueuePairs];
  Fd calls[kMaxQueuePairs];
};

/** A UDP frame of flow `port` with a serial number. */
std::vector<uint8_t> datagram(uint8_t port, uint8_t serial) {
  std::vector<uint8_t> bytes = frame(mac(2), mac(1), 60);
  std::fill(bytes.begin() + 12, bytes.end(), uint8_t{0});
  bytes[12] = 0x08;
  bytes[14] = 0x45;
  bytes[23] = 17;
  bytes[35] = port;
  bytes[50] = serial;
  return bytes;
}

TEST_CASE("frames of one flow stay in one receive queue and in order; flows are spread, and nothing is lost") {
  for (uint16_t count : {uint16_t{2}, uint16_t{3}, uint16_t{8}}) {
    CAPTURE(count);
    PodBench bench;
    bench.macs.learn(mac(2), 1, 1);
    Queues queues(count);
    queues.receive_of(bench.pods[1].runtime);
    constexpr int kFlows = 16, kEach = 6;
    for (uint8_t serial = 0; serial < kEach; serial++) {
      for (uint8_t flow = 0; flow < kFlows; flow++) {
        bench.pods[0].send(datagram(flow, serial));
        if (flow % 8 == 7) bench.forward(0);
      }
    }
    std::map<int, int> queue_of, next;
    int total = 0;
    for (uint16_t queue = 0; queue < count; queue++) {
      uint16_t used = queues.rings[queue].used();
      CHECK(used > 0);
      CHECK(queues.called(queue) == (used != 0));
      for (uint16_t i = 0; i < used; i++, total++) {
        const uint8_t* got =
            queues.buffer(queue, static_cast<uint16_t>(queues.rings[queue].used_entry(i).id)) + kHeaderBytes;
        auto [place, fresh] = queue_of.try_emplace(got[35], queue);
        CHECK(place->second == queue);
        CHECK(got[50] == next[got[35]]++);
        CHECK(std::equal(got, got + 60, datagram(got[35], got[50]).begin()));
      }
    }
    CHECK(total == kFlows * kEach);
    CHECK(bench.pods[1].count(Counter::rx_packets) == kFlows * kEach);
    CHECK(bench.pods[1].drops() == 0);
  }
}

TEST_CASE("a receive queue that is full loses frames of its own flows only") {
  PodBench bench;
  bench.macs.learn(mac(2), 1, 1);
  Queues queues(2);
  queues.receive_of(bench.pods[1].runtime);
  uint8_t other = 1;
  auto send = [&](uint8_t flow) {
    bench.pods[0].send(datagram(flow, 0));
    bench.forward(0);
  };
  send(0);
  const uint16_t busy = queues.rings[0].used() != 0 ? 0 : 1;
  const uint16_t idle = busy == 0 ? 1 : 0;
  for (; queues.rings[idle].used() == 0; other++) send(other);
  uint64_t before = bench.pods[1].count(Counter::rx_packets);
  uint16_t left = static_cast<uint16_t>(kEntries - queues.rings[busy].used());
  for (uint16_t i = 0; i < left + 5; i++) send(0);
  CHECK(bench.pods[1].count(Counter::rx_drop_no_buffer) == 5);
  send(static_cast<uint8_t>(other - 1));
  CHECK(queues.rings[idle].used() == 2);
  CHECK(bench.pods[1].count(Counter::rx_packets) == before + left + 1);
}

TEST_CASE("a broken receive queue among several ends the port") {
  PodBench bench;
  bench.macs.learn(mac(2), 1, 1);
  Queues queues(2);
  queues.receive_of(bench.pods[1].runtime);
  for (RawRing& ring : queues.rings) {
    if (ring.ring().size != 0) ring.set_avail(static_cast<uint16_t>(ring.avail() + 1000));
  }
  bench.pods[0].send(datagram(0, 0));
  bench.forward(0);
  CHECK(bench.pods[1].runtime.broken == RingError::kAvailIndex);
  CHECK(bench.pods[0].runtime.broken == RingError::kNone);
}

TEST_CASE("transmit queues are served in turn, one burst a pass, however many there are") {
  PodBench bench;
  bench.macs.learn(mac(2), 1, 1);
  Queues queues(3);
  queues.transmit_of(bench.pods[0].runtime);
  bench.pods[1].post(kEntries);
  for (int i = 0; i < 40; i++) queues.send(0, datagram(0, 0));
  queues.send(2, datagram(2, 0));
  CHECK(bench.forward(0) == kBurst);
  CHECK(queues.rings[0].used() == kBurst);
  CHECK(queues.rings[2].used() == 0);
  CHECK(bench.forward(0) == 1);  // queue 1 has nothing, queue 2 has its turn
  CHECK(queues.rings[2].used() == 1);
  CHECK(bench.forward(0) == 8);
  CHECK(bench.forward(0) == 0);
  bench.pods[0].runtime.transmit[1].enabled = false;
  queues.send(1, datagram(1, 0));
  CHECK(bench.forward(0) == 1);
  CHECK(bench.pods[0].count(Counter::tx_drop_disabled) == 1);
  queues.rings[1].set_avail(9000);
  CHECK(bench.forward(0) == 0);
  CHECK(bench.pods[0].runtime.broken == RingError::kAvailIndex);
}

}  // namespace
}  // namespace usvhost::test
