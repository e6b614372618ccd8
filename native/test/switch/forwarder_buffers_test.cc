// SPDX-License-Identifier: Apache-2.0
// Forwarder: what it writes into the buffers of both sides, and in which order it gives them back.
#include "switch/forwarder.h"
#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

TEST_CASE("a receive header that is right is not written, one that is wrong in any byte is") {
  for (uint32_t wrong = 0; wrong <= kHeaderBytes; wrong++) {
    CAPTURE(wrong);
    PodBench bench;
    bench.pods[1].post(1);
    uint8_t* header = bench.pods[1].receive_buffer(0);
    std::copy(kPlainHeader.begin(), kPlainHeader.end(), header);
    if (wrong < kHeaderBytes) header[wrong] ^= 0x80;
    std::vector<uint8_t> sent = frame(mac(2), mac(1));
    bench.pods[0].send(sent);
    CHECK(bench.forward(0) == 1);
    delivered(bench.pods[1], 0, sent);
  }
}

TEST_CASE("buffers are used in the order they came in, whatever becomes of the frames (VIRTIO_F_IN_ORDER)") {
  PodBench bench;
  Pod& sender = bench.pods[0];
  Pod& receiver = bench.pods[1];
  constexpr uint16_t kOrder[] = {7, 3, 40, 0, 21};
  for (uint16_t slot : kOrder) {
    receiver.receive.describe(slot, guest_address(receiver.receive_buffer(slot)), 100, VRING_DESC_F_WRITE);
    receiver.receive.offer(slot);
  }
  // Delivered, too short, too long for the buffers, to its own port, delivered.
  const std::vector<uint8_t> frames[] = {frame(mac(2), mac(1)), frame(mac(2), mac(1), 13), frame(mac(2), mac(1), 500),
                                         frame(mac(1), mac(1)), frame(mac(2), mac(1))};
  for (int i = 0; i < 5; i++) {
    std::copy(frames[i].begin(), frames[i].end(), sender.transmit_buffer(kOrder[i]) + kHeaderBytes);
    sender.transmit.describe(kOrder[i], sender.transmit_address(kOrder[i]),
                             static_cast<uint32_t>(kHeaderBytes + frames[i].size()));
    sender.transmit.offer(kOrder[i]);
  }
  CHECK(bench.forward(0) == 5);
  REQUIRE(sender.transmit.used() == 5);
  for (uint16_t i = 0; i < 5; i++) CHECK(sender.transmit.used_entry(i).id == kOrder[i]);
  REQUIRE(receiver.receive.used() == 2);
  for (uint16_t i = 0; i < 2; i++) CHECK(receiver.receive.used_entry(i).id == kOrder[i]);
}

}  // namespace
}  // namespace usvhost::test
