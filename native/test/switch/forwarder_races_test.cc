// SPDX-License-Identifier: Apache-2.0
// Forwarder against senders that go on writing while their frames are judged and copied.
#include <thread>

#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

TEST_CASE("the Ethernet header that arrives is the one that was judged, whatever its sender writes meanwhile") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: needs a race on purpose, which the thread sanitizer would report");
    return;
  }
  struct Case {
    std::vector<uint32_t> sent, received;
    uint64_t features;
  };
  for (const Case& one : {Case{{112}, {2048}, 0}, Case{{13, 99}, {2048}, 0}, Case{{112}, {12, 5, 600}, 0},
                          Case{{20, 92}, {12, 7, 600}, 0}, Case{{112}, {60}, feature_bit(VIRTIO_NET_F_MRG_RXBUF)}}) {
    CAPTURE(one.sent.size());
    CAPTURE(one.received[0]);
    PodBench bench;
    // Whoever gets a frame from mac(3) that pod 0 has sent was lied to.
    REQUIRE(bench.macs.add_static(mac(3), 2));
    bench.macs.learn(mac(2), 1, 1);
    bench.pods[1].negotiate(one.features);
    std::vector<uint8_t> honest = frame(mac(2), mac(1), 100);
    std::atomic<bool> stop{false};
    std::thread liar([&] {
      volatile uint8_t* last = bench.pods[0].transmit_buffer(0) + kHeaderBytes + 11;
      const auto own = static_cast<uint8_t>(mac(1) >> 40), other = static_cast<uint8_t>(mac(3) >> 40);
      while (!stop.load(std::memory_order_relaxed)) {
        *last = own;
        *last = other;
      }
    });
    Pod& receiver = bench.pods[1];
    const bool merged = one.features != 0;
    uint32_t lied = 0;
    uint64_t delivered = 0;
    // Both threads must have had a CPU at the same time: as long as it takes for that, and not for ever.
    constexpr uint64_t kEnough = kSanitized ? 200 : 2000;
    for (uint32_t round = 0; round < 3'000'000; round++) {
      if (delivered >= kEnough && bench.pods[0].count(Counter::tx_drop_spoofed) >= kEnough) break;
      // A frame that is refused leaves the buffers for the next one.
      if (round == 0 || receiver.count(Counter::rx_packets) != delivered) {
        delivered = receiver.count(Counter::rx_packets);
        merged ? receiver.post(2, one.received[0]) : receiver.post_chain(one.received);
      }
      bench.pods[0].send_chain(honest, one.sent);
      full_fence();  // else we would read our own store, which the liar has not seen yet
      REQUIRE(bench.forward(0) == 1);
      if (receiver.count(Counter::rx_packets) == delivered) continue;
      const uint8_t* got = receiver.receive_buffer(merged ? static_cast<uint16_t>(2 * delivered) : uint16_t{0});
      if (memcmp(got + kHeaderBytes, honest.data(), 14) != 0) lied++;
    }
    stop = true;
    liar.join();
    CHECK(lied == 0);
    CHECK(receiver.count(Counter::rx_packets) > 0);
    CHECK(bench.pods[0].count(Counter::tx_drop_spoofed) > 0);
  }
}

TEST_CASE("a sender that rewrites addresses and descriptors while they are read harms only itself") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: needs a race on purpose, which the thread sanitizer would report");
    return;
  }
  PodBench bench;
  bench.macs.add_static(mac(2), 1);
  for (uint16_t slot = 0; slot < Pod::kSize; slot++) memset(bench.pods[1].receive_buffer(slot), 0xee, Pod::kBuffer);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    auto* words = reinterpret_cast<volatile uint64_t*>(bench.pods[0].transmit.ring().desc);
    for (uint32_t i = 0; !stop.load(std::memory_order_relaxed); i++) {
      words[2 * (i % Pod::kSize) + 1] =
          (60 + i % 3000) | uint64_t{i % 17 == 0 ? VRING_DESC_F_NEXT : 0u} << 32 | uint64_t{i % Pod::kSize} << 48;
      bench.pods[0].transmit_buffer(static_cast<uint16_t>(i))[kHeaderBytes + i % 12] = static_cast<uint8_t>(i);
    }
  });
  for (int round = 0; round < (kSanitized ? 2000 : 20'000); round++) {
    bench.pods[0].runtime.broken = RingError::kNone;
    bench.pods[0].transmit_queue.attach(bench.pods[0].memory.translated(bench.pods[0].transmit.ring()),
                                        bench.pods[0].transmit.avail(), 0);
    for (int i = 0; i < 8; i++) bench.pods[0].send(frame(mac(2), mac(1)));
    bench.pods[1].receive_queue.attach(bench.pods[1].memory.translated(bench.pods[1].receive.ring()),
                                       bench.pods[1].receive.avail(), 0);
    bench.pods[1].post(8, 1600);
    bench.forward(0);
    for (uint16_t slot = 0; slot < Pod::kSize; slot++) {
      REQUIRE(bench.pods[1].receive_buffer(slot)[1600] == 0xee);  // never beyond the buffer that was posted
    }
  }
  stop = true;
  writer.join();
  CHECK(bench.pods[1].runtime.broken == RingError::kNone);
  CHECK(bench.macs.lookup(mac(2), 1) == 1);
}

}  // namespace
}  // namespace usvhost::test
