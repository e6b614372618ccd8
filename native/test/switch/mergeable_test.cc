// SPDX-License-Identifier: Apache-2.0
// Forwarder with VIRTIO_NET_F_MRG_RXBUF (virtio 1.2, 5.1.6.4): a frame in several buffers, whole or not at all.
#include <random>

#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kMergeable = feature_bit(VIRTIO_NET_F_MRG_RXBUF);

struct MergeableBench : PodBench {
  MergeableBench() {
    macs.learn(mac(2), 1, 1);
    receiver.negotiate(kMergeable);
    pods[0].runtime.max_frame = 64 * 1024;
  }
  /** A frame longer than a buffer of Pod, in descriptors from 0 on; the buffers behind it are used too. */
  void send_long(const std::vector<uint8_t>& bytes) {
    memset(pods[0].transmit_buffer(0), 0, kHeaderBytes);
    std::copy(bytes.begin(), bytes.end(), pods[0].transmit_buffer(0) + kHeaderBytes);
    pods[0].transmit.describe(0, pods[0].transmit_address(0), static_cast<uint32_t>(kHeaderBytes + bytes.size()));
    pods[0].transmit.offer(0);
  }
  /** What the driver would put together from the used entries `from` on; checks num_buffers against the lengths. */
  std::vector<uint8_t> merged(uint16_t from, uint16_t buffers) {
    std::vector<uint8_t> bytes;
    for (uint16_t i = 0; i < buffers; i++) {
      vring_used_elem used = receiver.receive.used_entry(static_cast<uint16_t>(from + i));
      const uint8_t* start = receiver.receive_buffer(static_cast<uint16_t>(used.id));
      bytes.insert(bytes.end(), start, start + used.len);
      CHECK(start[used.len] == 0xee);
    }
    REQUIRE(bytes.size() >= kHeaderBytes);
    CHECK(std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t byte) { return byte == 0; }));
    CHECK(bytes[10] + 256 * bytes[11] == buffers);
    return {bytes.begin() + kHeaderBytes, bytes.end()};
  }
  Pod& receiver = pods[1];
};

TEST_CASE("mergeable: a frame that fits takes one buffer, a longer one as many as it needs") {
  struct Case {
    size_t length;
    uint16_t buffers;
  };
  // Buffers of 512 bytes, the header in the first one.
  for (Case one :
       {Case{14, 1}, Case{500, 1}, Case{501, 2}, Case{1012, 2}, Case{1013, 3}, Case{1518, 3}, Case{9018, 18}}) {
    CAPTURE(one.length);
    MergeableBench bench;
    bench.receiver.post(40, 512);
    std::vector<uint8_t> sent = frame(mac(2), mac(1), one.length);
    bench.send_long(sent);
    CHECK(bench.forward(0) == 1);
    REQUIRE(bench.receiver.receive.used() == one.buffers);
    CHECK(bench.merged(0, one.buffers) == sent);
    CHECK(bench.receiver.count(Counter::rx_packets) == 1);
    CHECK(bench.receiver.count(Counter::rx_bytes) == one.length);
  }
}

TEST_CASE("mergeable: nothing is taken for a frame that the buffers do not suffice for, and the next one may fit") {
  MergeableBench bench;
  bench.receiver.post(3, 512);
  bench.pods[0].send(frame(mac(2), mac(1), 60));
  bench.pods[0].send(frame(mac(2), mac(1), 1100));  // would need three, and two are left
  bench.pods[0].send(frame(mac(2), mac(1), 1000));
  CHECK(bench.forward(0) == 3);
  CHECK(bench.receiver.receive.used() == 3);
  CHECK(bench.merged(0, 1) == frame(mac(2), mac(1), 60));
  CHECK(bench.merged(1, 2) == frame(mac(2), mac(1), 1000));
  CHECK(bench.receiver.count(Counter::rx_drop_no_buffer) == 1);
  CHECK(bench.receiver.count(Counter::rx_packets) == 2);
}

TEST_CASE("mergeable: without the feature a frame takes one buffer or is dropped") {
  MergeableBench bench;
  bench.receiver.negotiate(0);
  bench.receiver.post(8, 512);
  bench.pods[0].send(frame(mac(2), mac(1), 1000));
  CHECK(bench.forward(0) == 1);
  CHECK(bench.receiver.receive.used() == 0);
  CHECK(bench.receiver.count(Counter::rx_drop_small_buffer) == 1);
}

TEST_CASE("mergeable: bounded, whatever the buffers are") {
  // One byte each behind the first: never more buffers than kMaxMerged for a frame, and never a partial one.
  MergeableBench bench;
  GuestMemory memory(1 << 20);
  RawRing ring;
  ring.attach(memory.at(0), 1024);
  bench.receiver.receive_queue.attach(memory.translated(ring.ring()), 0, kMergeable);
  bench.receiver.runtime.memory = &memory.table();
  for (uint16_t i = 0; i < 1024; i++) {
    ring.describe(i, memory.address(256 * 1024 + 64u * i), i == 0 ? 12 : 1, VRING_DESC_F_WRITE);
    ring.offer(i);
  }
  bench.pods[0].send(frame(mac(2), mac(1), 128));  // 12 + 128 buffers of one byte: one too many
  CHECK(bench.forward(0) == 1);
  CHECK(ring.used() == 0);
  CHECK(bench.receiver.count(Counter::rx_drop_small_buffer) == 1);
  bench.pods[0].send(frame(mac(2), mac(1), 127));
  CHECK(bench.forward(0) == 1);
  CHECK(ring.used() == 128);
  CHECK(bench.receiver.count(Counter::rx_packets) == 1);
  // Now the first buffer has no room for the header.
  bench.pods[0].send(frame(mac(2), mac(1), 60));
  CHECK(bench.forward(0) == 1);
  CHECK(ring.used() == 128);
  CHECK(bench.receiver.count(Counter::rx_drop_small_buffer) == 2);
}

TEST_CASE("mergeable: empty buffers between full ones") {
  MergeableBench bench;
  for (uint16_t slot = 0; slot < 6; slot++) {
    memset(bench.receiver.receive_buffer(slot), 0xee, Pod::kBuffer);
    uint32_t bytes = slot % 2 == 0 ? 100 : 0;
    bench.receiver.receive.describe(slot, guest_address(bench.receiver.receive_buffer(slot)), bytes,
                                    VRING_DESC_F_WRITE);
    bench.receiver.receive.offer(slot);
  }
  bench.pods[0].send(frame(mac(2), mac(1), 250));
  CHECK(bench.forward(0) == 1);
  REQUIRE(bench.receiver.receive.used() == 5);
  CHECK(bench.merged(0, 5) == frame(mac(2), mac(1), 250));
}

TEST_CASE("mergeable: a buffer that is wrong behind good ones ends the receiver, and no part of the frame is seen") {
  MergeableBench bench;
  bench.receiver.post(2, 512);
  bench.receiver.receive.describe(9, bench.receiver.memory.end() - 10, 11, VRING_DESC_F_WRITE);
  bench.receiver.receive.offer(9);
  bench.pods[0].send(frame(mac(2), mac(1), 60));
  bench.pods[0].send(frame(mac(2), mac(1), 900));
  CHECK(bench.forward(0) == 2);
  CHECK(bench.receiver.receive.used() == 1);
  CHECK(bench.receiver.runtime.broken == RingError::kAddress);
  CHECK(bench.pods[0].runtime.broken == RingError::kNone);
}

TEST_CASE("mergeable: bursts of random frames into random buffers, put together by an independent reader") {
  std::mt19937 random(23);
  for (int round = 0; round < (kSanitized ? 60 : 400); round++) {
    MergeableBench bench;
    bool indirect = round % 2 == 1;
    bench.receiver.negotiate(kMergeable | (indirect ? feature_bit(VIRTIO_RING_F_INDIRECT_DESC) : 0));
    auto buffers = static_cast<uint16_t>(1 + random() % Pod::kSize);
    for (uint16_t slot = 0; slot < buffers; slot++) {
      uint8_t* buffer = bench.receiver.receive_buffer(slot);
      memset(buffer, 0xee, Pod::kBuffer);
      auto bytes = static_cast<uint32_t>(12 + random() % (random() % 3 == 0 ? 1800u : 120u));
      if (indirect && random() % 2 == 0) {
        // A table at the end of the buffer: the same bytes in two pieces.
        auto cut = static_cast<uint32_t>(random() % (bytes + 1));
        vring_desc table[2] = {{guest_address(buffer), cut, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1},
                               {guest_address(buffer) + cut, bytes - cut, VRING_DESC_F_WRITE, 0}};
        memcpy(buffer + Pod::kBuffer - sizeof table, table, sizeof table);
        bench.receiver.receive.describe(slot, guest_address(buffer + Pod::kBuffer - sizeof table), sizeof table,
                                        VRING_DESC_F_INDIRECT);
      } else {
        bench.receiver.receive.describe(slot, guest_address(buffer), bytes, VRING_DESC_F_WRITE);
      }
      bench.receiver.receive.offer(slot);
    }
    std::vector<std::vector<uint8_t>> sent;
    auto frames = static_cast<uint32_t>(1 + random() % 32);
    for (uint32_t i = 0; i < frames; i++) {
      sent.push_back(frame(mac(2), mac(1), 14 + random() % (random() % 4 == 0 ? 3500u : 200u)));
      sent.back()[13] = static_cast<uint8_t>(i);
      bench.pods[0].send(sent.back());
    }
    REQUIRE(bench.forward(0) == frames);
    uint16_t at = 0;
    uint32_t delivered = 0, next = 0;
    while (at != bench.receiver.receive.used()) {
      vring_used_elem first = bench.receiver.receive.used_entry(at);
      const uint8_t* header = bench.receiver.receive_buffer(static_cast<uint16_t>(first.id));
      auto count = static_cast<uint16_t>(header[10] | header[11] << 8);
      REQUIRE(count >= 1);
      REQUIRE(count <= bench.receiver.receive.used() - at);
      std::vector<uint8_t> got = bench.merged(at, count);
      while (next < frames && sent[next] != got) next++;  // frames that were dropped
      REQUIRE(next < frames);
      next++;
      delivered++;
      at = static_cast<uint16_t>(at + count);
    }
    CHECK(bench.receiver.count(Counter::rx_packets) == delivered);
    CHECK(delivered + bench.receiver.drops() == frames);
  }
}

}  // namespace
}  // namespace usvhost::test
