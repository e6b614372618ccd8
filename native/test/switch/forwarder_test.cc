// SPDX-License-Identifier: Apache-2.0
// Forwarder: what happens to a frame, whatever it is cut into and wherever it should go. Every frame that was taken is
// delivered or counted under one name.
#include "switch/forwarder.h"

#include <random>

#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

TEST_CASE("frames outside the lengths of a port are taken, counted and given back") {
  struct Case {
    size_t length;
    Counter counter;
  };
  for (Case one : {Case{0, Counter::tx_drop_short}, Case{1, Counter::tx_drop_short}, Case{13, Counter::tx_drop_short},
                   Case{14, Counter::tx_flooded}, Case{1518, Counter::tx_flooded},
                   Case{1519, Counter::tx_drop_oversize}, Case{4000, Counter::tx_drop_oversize}}) {
    CAPTURE(one.length);
    PodBench bench;
    bench.pods[1].post(1);
    bench.pods[0].send(frame(mac(9), mac(1), one.length));
    CHECK(bench.forward(0) == 1);
    CHECK(bench.pods[0].count(one.counter) == 1);
    CHECK(bench.pods[0].count(Counter::tx_packets) == 1);
    CHECK(bench.pods[0].count(Counter::tx_bytes) == one.length);
    CHECK(bench.pods[0].transmit.used() == 1);
    CHECK(bench.pods[1].count(Counter::rx_packets) == (one.counter == Counter::tx_flooded ? 1 : 0));
  }
}

TEST_CASE("chains shorter than the header, down to nothing") {
  for (std::vector<uint32_t> pieces : std::vector<std::vector<uint32_t>>{
           {0}, {1}, {11}, {12}, {0, 0, 0}, {6, 5}, {1, 1, 1}, {12, 0}, {0, 12}, {6, 6}, {12, 13}}) {
    PodBench bench;
    bench.pods[1].post(1);
    bench.pods[0].send_chain(frame(mac(9), mac(1)), pieces);
    CHECK(bench.forward(0) == 1);
    CHECK(bench.pods[0].count(Counter::tx_drop_short) == 1);
    CHECK(bench.pods[0].transmit.used() == 1);
    CHECK(bench.pods[0].runtime.broken == RingError::kNone);
    CHECK(bench.pods[1].receive.used() == 0);
  }
}

TEST_CASE("the header and the addresses may be cut anywhere") {
  std::vector<uint8_t> sent = frame(mac(9), mac(1), 100);
  std::vector<std::vector<uint32_t>> cuts = {{112},    {12, 100}, {1, 111},           {11, 101},     {13, 99},
                                             {26, 86}, {25, 87},  {0, 12, 0, 100, 0}, {6, 6, 6, 94}, {12, 1, 5, 6, 88}};
  std::vector<uint32_t> ones(41, 1);
  ones.back() = 72;
  cuts.push_back(ones);
  for (const auto& pieces : cuts) {
    PodBench bench;
    bench.pods[1].post(1);
    bench.pods[0].send_chain(sent, pieces);
    CHECK(bench.forward(0) == 1);
    REQUIRE(bench.pods[1].receive.used() == 1);
    CHECK(bench.pods[1].receive.used_entry(0).len == 112);
    delivered(bench.pods[1], 0, sent);
    CHECK(bench.macs.lookup(mac(1), 1) == 0);
  }
}

TEST_CASE("a receive buffer may be cut anywhere too") {
  std::vector<uint8_t> sent = frame(mac(9), mac(1), 100);
  for (std::vector<uint32_t> from : {std::vector<uint32_t>{112}, {5, 7, 50, 50}, {12, 100}}) {
    for (std::vector<uint32_t> into : std::vector<std::vector<uint32_t>>{
             {112}, {12, 100}, {6, 6, 100}, {1, 1, 1, 1, 200}, {11, 101}, {12, 0, 50, 0, 50}, {100, 100}}) {
      PodBench bench;
      bench.pods[1].post_chain(into);
      bench.pods[0].send_chain(sent, from);
      CHECK(bench.forward(0) == 1);
      REQUIRE(bench.pods[1].receive.used() == 1);
      CHECK(bench.pods[1].receive.used_entry(0).len == 112);
      delivered(bench.pods[1], 0, sent);
    }
  }
}

TEST_CASE("random cuts on both sides") {
  std::mt19937 random(11);
  auto cut = [&random](uint32_t total) {
    std::vector<uint32_t> pieces;
    while (total != 0) {
      auto piece = static_cast<uint32_t>(random() % 200 + (random() % 4 == 0 ? 0u : 40u));
      piece = pieces.size() == 40 ? total : std::min(piece, total);
      pieces.push_back(piece);
      total -= piece;
    }
    return pieces;
  };
  for (int round = 0; round < 500; round++) {
    std::vector<uint8_t> sent = frame(mac(9), mac(1), 14 + random() % 1500);
    auto total = static_cast<uint32_t>(sent.size() + kHeaderBytes);
    PodBench bench;
    bench.pods[1].post_chain(cut(static_cast<uint32_t>(total + random() % 300)));
    bench.pods[0].send_chain(sent, cut(total));
    REQUIRE(bench.forward(0) == 1);
    REQUIRE(bench.pods[1].receive.used() == 1);
    delivered(bench.pods[1], 0, sent);
  }
}

TEST_CASE("where a frame goes: unknown to all others, known to one, back to nobody") {
  PodBench bench;
  for (Pod& pod : bench.pods) pod.post(8);
  bench.pods[0].send(frame(mac(2), mac(1)));
  bench.forward(0);
  CHECK(bench.pods[0].count(Counter::tx_flooded) == 1);
  CHECK(bench.pods[0].count(Counter::rx_packets) == 0);
  CHECK(bench.pods[1].count(Counter::rx_packets) == 1);
  CHECK(bench.pods[2].count(Counter::rx_packets) == 1);
  bench.pods[1].send(frame(mac(1), mac(2)));
  bench.forward(1);
  CHECK(bench.pods[0].count(Counter::rx_packets) == 1);
  CHECK(bench.pods[2].count(Counter::rx_packets) == 1);
  bench.pods[0].send(frame(mac(2), mac(1)));
  bench.pods[0].send(frame(mac(1), mac(1)));
  bench.forward(0);
  CHECK(bench.pods[1].count(Counter::rx_packets) == 2);
  CHECK(bench.pods[2].count(Counter::rx_packets) == 1);
  CHECK(bench.pods[0].count(Counter::tx_drop_same_port) == 1);
}

TEST_CASE("group addresses are flooded, and never learned") {
  PodBench bench;
  bench.pods[1].post(2);
  bench.pods[0].send(frame(0xffff'ffff'ffff, mac(1)));
  bench.pods[0].send(frame(mac(9), 0x01));
  bench.forward(0);
  CHECK(bench.pods[0].count(Counter::tx_flooded) == 2);
  CHECK(bench.macs.lookup(0x01, 1) == MacTable::kNoPort);
  CHECK(bench.macs.lookup(mac(1), 1) == 0);
}

TEST_CASE("a source address that is another port's is dropped, and so are its frames only") {
  PodBench bench;
  bench.macs.add_static(mac(2), 1);
  bench.pods[2].post(4);
  bench.pods[0].send(frame(mac(9), mac(2)));
  bench.pods[0].send(frame(mac(9), mac(1)));
  bench.pods[0].send(frame(mac(9), mac(2)));
  bench.forward(0);
  CHECK(bench.pods[0].count(Counter::tx_drop_spoofed) == 2);
  CHECK(bench.pods[0].count(Counter::tx_packets) == 3);
  CHECK(bench.pods[2].count(Counter::rx_packets) == 1);
  CHECK(bench.macs.lookup(mac(2), 1) == 1);
}

TEST_CASE("nobody to receive, or a receiver that is gone") {
  PodBench bench;
  bench.macs.learn(mac(2), 1, 1);
  bench.table.withdraw(1);
  bench.table.withdraw(2);
  bench.pods[0].send(frame(mac(2), mac(1)));
  bench.pods[0].send(frame(mac(9), mac(1)));
  bench.forward(0);
  CHECK(bench.pods[0].count(Counter::tx_drop_down) == 1);
  CHECK(bench.pods[0].count(Counter::tx_drop_no_receiver) == 1);
  CHECK(bench.pods[0].transmit.used() == 2);
}

TEST_CASE("receivers without buffers, with small ones, and with a disabled or absent queue") {
  PodBench bench;
  bench.macs.learn(mac(2), 1, 1);
  bench.macs.learn(mac(3), 2, 1);
  bench.pods[0].send(frame(mac(2), mac(1)));
  bench.forward(0);
  CHECK(bench.pods[1].count(Counter::rx_drop_no_buffer) == 1);

  bench.pods[1].post(1, 71);  // one byte too small
  bench.pods[0].send(frame(mac(2), mac(1), 60));
  bench.pods[0].send(frame(mac(2), mac(1), 59));
  bench.forward(0);
  CHECK(bench.pods[1].count(Counter::rx_drop_small_buffer) == 1);
  CHECK(bench.pods[1].count(Counter::rx_packets) == 1);  // the buffer stayed for the next frame
  CHECK(bench.pods[1].receive.used_entry(0).len == 71);

  bench.pods[2].post(4);
  bench.pods[2].runtime.receive_count = 0;
  bench.pods[0].send(frame(mac(3), mac(1)));
  bench.forward(0);
  bench.pods[0].send(frame(mac(3), mac(1)));
  bench.forward(0);
  CHECK(bench.pods[2].count(Counter::rx_drop_disabled) == 2);
  CHECK(bench.pods[2].receive.used() == 0);
}

TEST_CASE("a buffer of nothing, or of less than a header") {
  for (uint32_t bytes : {0u, 1u, 11u, 12u}) {
    PodBench bench;
    bench.macs.learn(mac(2), 1, 1);
    bench.pods[1].post(1, bytes);
    bench.pods[0].send(frame(mac(2), mac(1), 14));
    bench.forward(0);
    CHECK(bench.pods[1].count(Counter::rx_drop_small_buffer) == 1);
    CHECK(bench.pods[1].receive.used() == 0);
    CHECK(bench.pods[1].runtime.broken == RingError::kNone);
  }
}

TEST_CASE("a disabled transmit queue is drained and discarded") {
  PodBench bench;
  bench.pods[1].post(4);
  bench.pods[0].runtime.transmit[0].enabled = false;
  for (int i = 0; i < 3; i++) bench.pods[0].send(frame(mac(2), mac(1)));
  CHECK(bench.forward(0) == 3);
  CHECK(bench.pods[0].count(Counter::tx_drop_disabled) == 3);
  CHECK(bench.pods[0].transmit.used() == 3);
  CHECK(bench.pods[1].receive.used() == 0);
  CHECK(bench.macs.lookup(mac(1), 1) == MacTable::kNoPort);
}

TEST_CASE("a broken chain ends its port; the frames before it are delivered") {
  PodBench bench;
  bench.pods[1].post(8);
  bench.pods[0].send(frame(mac(9), mac(1)));
  bench.pods[0].send(frame(mac(9), mac(1)));
  bench.pods[0].transmit.describe(7, 0, 100);
  bench.pods[0].transmit.offer(7);
  bench.pods[0].send(frame(mac(9), mac(1)));
  CHECK(bench.forward(0) == 2);
  CHECK(bench.pods[0].runtime.broken == RingError::kAddress);
  CHECK(bench.forwarder.take_broken());
  CHECK_FALSE(bench.forwarder.take_broken());
  CHECK(bench.pods[1].receive.used() == 2);
  CHECK(bench.pods[0].transmit.used() == 2);
  CHECK(bench.forward(0) == 0);
}

TEST_CASE("a broken receive ring ends the receiver, not the sender") {
  PodBench bench;
  bench.pods[2].post(4);
  bench.pods[1].receive.describe(0, bench.pods[1].memory.end() - 100, 101, VRING_DESC_F_WRITE);
  bench.pods[1].receive.offer(0);
  bench.pods[0].send(frame(mac(9), mac(1)));
  CHECK(bench.forward(0) == 1);
  CHECK(bench.pods[1].runtime.broken == RingError::kAddress);
  CHECK(bench.pods[0].runtime.broken == RingError::kNone);
  CHECK(bench.pods[1].count(Counter::rx_drop_no_buffer) == 1);
  CHECK(bench.pods[2].count(Counter::rx_packets) == 1);
}

TEST_CASE("a bad head behind good buffers: the good ones are used, and nothing that another port left behind") {
  PodBench bench;
  bench.macs.learn(mac(2), 1, 1);
  bench.macs.learn(mac(3), 2, 1);
  // What the forwarder remembers of this delivery must not become the target of the next one.
  bench.pods[2].post(4);
  for (int i = 0; i < 4; i++) bench.pods[0].send(frame(mac(3), mac(1)));
  bench.forward(0);
  for (uint16_t slot = 0; slot < 4; slot++) memset(bench.pods[2].receive_buffer(slot), 0xee, Pod::kBuffer);
  bench.pods[1].post(2);
  bench.pods[1].receive.offer(Pod::kSize);
  for (int i = 0; i < 4; i++) bench.pods[0].send(frame(mac(2), mac(1)));
  CHECK(bench.forward(0) == 4);
  CHECK(bench.pods[1].runtime.broken == RingError::kHead);
  REQUIRE(bench.pods[1].receive.used() == 2);
  for (uint16_t slot = 0; slot < 2; slot++) delivered(bench.pods[1], slot, frame(mac(2), mac(1)));
  CHECK(bench.pods[1].count(Counter::rx_drop_no_buffer) == 2);
  for (uint16_t slot = 0; slot < 4; slot++) CHECK(bench.pods[2].receive_buffer(slot)[0] == 0xee);
}

TEST_CASE("a burst is bounded, and calls are sent once for it and only when they are wanted") {
  PodBench bench;
  bench.pods[1].post(Pod::kSize);
  bench.table.withdraw(2);
  for (uint16_t i = 0; i < 40; i++) bench.pods[0].send(frame(mac(9), mac(1)));
  CHECK(bench.forward(0) == kBurst);
  uint64_t calls = 0;
  CHECK(read(bench.pods[1].call.get(), &calls, sizeof calls) == -1);  // refused by a fresh ring
  bench.pods[1].receive.want_calls();
  CHECK(bench.forward(0) == 40 - kBurst);
  CHECK(read(bench.pods[1].call.get(), &calls, sizeof calls) == sizeof calls);
  CHECK(calls == 1);
  CHECK(bench.forward(0) == 0);
}

TEST_CASE("chains as long as the longest queue fill the scratch space and not more") {
  PodBench bench;
  bench.table.withdraw(2);
  Pod& sender = bench.pods[0];
  GuestMemory memory(1 << 20);
  RawRing ring;
  ring.attach(memory.at(0), kMaxQueueSize);
  for (uint16_t i = 0; i < kMaxQueueSize; i++) {
    bool last = i + 1u == kMaxQueueSize;
    ring.describe(i, memory.address(256 * 1024 + i), 1, last ? uint16_t{0} : uint16_t{VRING_DESC_F_NEXT},
                  static_cast<uint16_t>(i + 1));
  }
  sender.transmit_queue.attach(memory.translated(ring.ring()), 0, 0);
  sender.runtime.memory = &memory.table();
  sender.runtime.max_frame = 9018;
  // Whole chains and their tails: some fit side by side, some do not, and the receiver needs scratch space too.
  constexpr uint16_t kFrames = 40;
  for (uint16_t i = 0; i < kFrames; i++) ring.offer(static_cast<uint16_t>(i * 97 % kMaxQueueSize));
  bench.pods[1].post_chain({2000, 96, 2000});
  uint32_t moved = 0;
  while (uint32_t count = bench.forward(0)) moved += count;
  CHECK(moved == kFrames);
  CHECK(ring.used() == kFrames);
  CHECK(sender.runtime.broken == RingError::kNone);
  CHECK(bench.pods[1].runtime.broken == RingError::kNone);
  CHECK(bench.pods[1].count(Counter::rx_packets) + bench.pods[1].drops() + sender.drops() == kFrames);
}

TEST_CASE("indices go around many times with every frame accounted for") {
  PodBench bench;
  bench.table.withdraw(2);
  constexpr uint32_t kFrames = 200'000;
  std::mt19937 random(3);
  uint32_t sent = 0, offered = 0;
  while (sent < kFrames) {
    auto room = static_cast<uint16_t>(Pod::kSize - static_cast<uint16_t>(offered - bench.pods[1].receive.used()));
    auto posts = static_cast<uint16_t>(random() % (room + 1u));
    bench.pods[1].post(posts);
    offered += posts;
    for (uint32_t burst = static_cast<uint32_t>(random() % 40); burst != 0; burst--, sent++) {
      bench.pods[0].send(frame(mac(2), mac(1), 14 + sent % 50));
    }
    while (bench.forward(0) != 0) continue;
  }
  CHECK(bench.pods[0].count(Counter::tx_packets) == sent);
  CHECK(bench.pods[1].count(Counter::rx_packets) + bench.pods[1].drops() + bench.pods[0].drops() == sent);
  CHECK(bench.pods[1].count(Counter::rx_packets) > kFrames / 10);
  CHECK(static_cast<uint16_t>(sent) == bench.pods[0].transmit.used());
}

}  // namespace
}  // namespace usvhost::test
