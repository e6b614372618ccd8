// SPDX-License-Identifier: Apache-2.0
// The back-end's MTU: frames beyond it are not sent and counted, except those that the back-end itself cuts.
#include "test/engines/wires.h"

namespace usvhost::test {
namespace {

Packet take(Wires& wires, uint32_t length) {
  uint32_t buffers[8];
  REQUIRE(wires.pool().take(buffers, buffers_of(length)) == buffers_of(length));
  memset(wires.pool().header(buffers[0]), 0, kHeaderBytes);
  return join_buffers(wires.pool(), buffers, length);
}

TEST_CASE("frames up to the MTU and one VLAN tag are sent, longer ones are dropped, counted, and cost no buffer") {
  Wires wires;
  wires.connect(0, kRequiredFeatures, 1500);
  uint32_t before = wires.pool().available();
  Packet packets[4] = {take(wires, 1518), take(wires, 1519), take(wires, 60), take(wires, 5000)};
  CHECK(wires.port().transmit(packets, 4) == 4);
  CHECK(wires.port().counters().tx_drop_mtu == 2);
  CHECK(wires.port().counters().tx_packets == 2);
  std::vector<Wires::Frame> sent = wires.sent();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].size() == 1518);
  CHECK(sent[1].size() == 60);
  wires.port().reclaim();
  CHECK(wires.pool().available() == before);
}

TEST_CASE("without an MTU nothing is too long") {
  Wires wires;
  Packet packet = take(wires, 5000);
  CHECK(wires.port().transmit(&packet, 1) == 1);
  CHECK(wires.port().counters().tx_drop_mtu == 0);
  CHECK(wires.sent().size() == 1);
}

TEST_CASE("a frame that the back-end cuts may be longer; without the agreement the same header says nothing") {
  for (bool agreed : {true, false}) {
    CAPTURE(agreed);
    Wires wires;
    wires.connect(0, kRequiredFeatures | (agreed ? kSendOffloads : 0), 1500);
    Packet packet = take(wires, 5000);
    wires.pool().header(packet.buffer)[offsetof(virtio_net_hdr, gso_type)] = VIRTIO_NET_HDR_GSO_TCPV4;
    CHECK(wires.port().transmit(&packet, 1) == 1);
    CHECK(wires.port().counters().tx_drop_mtu == (agreed ? 0 : 1));
    CHECK(wires.sent_with_headers().size() == (agreed ? 1 : 0));
  }
}

}  // namespace
}  // namespace usvhost::test
