// SPDX-License-Identifier: Apache-2.0
// A front-end that stops a ring and starts it with another size, in another place, in the middle of traffic; the rest of the port and
// of the switch goes on meanwhile.
#include "test/hostile_client.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kPosted = 32;
constexpr size_t kPlaces[kQueues] = {16 * 1024, 32 * 1024};  // behind the first rings, before the buffers

/** GET_VRING_BASE, then everything that makes a ring run again; false when the switch refuses or hangs up. */
bool resize(HostileClient& client, uint16_t queue, uint16_t size, uint32_t& stood_at) {
  if (!client.send_state(Request::kGetVringBase, queue, 0)) return false;
  std::optional<Message> base = client.receive();
  if (!base) return false;
  stood_at = base->payload.state.value;
  client.rings[queue].attach(client.at(kPlaces[queue]), size);
  return client.send_state(Request::kSetVringNum, queue, size, kFlagNeedReply) && client.acknowledged() &&
         client.send_state(Request::kSetVringBase, queue, 0, kFlagNeedReply) && client.acknowledged() &&
         client.send_address(queue, kFlagNeedReply) && client.acknowledged() &&
         client.send_number(Request::kSetVringKick, queue, {client.kicks[queue].get()}, kFlagNeedReply) &&
         client.acknowledged();
}

TEST_CASE("a ring is resized in the middle of traffic, and is used from its beginning to its end") {
  SwitchFixture fixture;
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  HostileClient client(fixture.socket("b"));
  REQUIRE(client.handshake());
  TrafficOptions traffic;
  traffic.transmit = true;
  traffic.source_mac = mac(1);
  traffic.destination_mac = mac(2);
  auto source = start_dataplane(fixture.socket("a"), traffic);
  REQUIRE(eventually([&] { return fixture.in_state("a", PortState::kUp); }));
  uint32_t received = 0, sent = 0;
  for (uint16_t size : {uint16_t{8}, uint16_t{256}, uint16_t{1}, uint16_t{64}, uint16_t{2}, uint16_t{128}}) {
    CAPTURE(size);
    uint32_t base = 0;
    REQUIRE(resize(client, kReceiveQueue, size, base));
    CHECK(base == received);
    // Twice around, so that the new size is what indices are taken modulo of.
    received = 0;
    for (uint16_t goal = 2u * size; received < goal;) {
      auto count = std::min<uint16_t>(std::min(size, kPosted), static_cast<uint16_t>(goal - received));
      for (uint16_t i = 0; i < count; i++) {
        auto slot = static_cast<uint16_t>((received + i) % size);
        client.rings[kReceiveQueue].describe(slot, client.address(HostileClient::kData + 2048u * i), 2048,
                                             VRING_DESC_F_WRITE);
        client.rings[kReceiveQueue].offer(slot);
      }
      received += count;
      REQUIRE(eventually([&] { return client.rings[kReceiveQueue].used() == received; }));
      CHECK(client.rings[kReceiveQueue].used_entry(static_cast<uint16_t>(received - 1)).id == (received - 1) % size);
    }
    REQUIRE(resize(client, kTransmitQueue, size, base));
    CHECK(base == sent);
    uint64_t before = fixture.counter("b", Counter::tx_packets);
    for (sent = 0; sent < 2u * size; sent++) {
      auto slot = static_cast<uint16_t>(sent % size);
      uint8_t* frame = client.transmit_frame(slot);
      memset(frame, 0, 60);
      MacAddress addresses[2] = {mac(1), mac(2)};
      for (int i = 0; i < 2; i++) memcpy(frame + 6 * i, &addresses[i], 6);
      client.post_transmit(slot, 60);
      REQUIRE(eventually([&] { return client.rings[kTransmitQueue].used() == sent + 1; }));
    }
    CHECK(fixture.counter("b", Counter::tx_packets) == before + sent);
    CHECK(fixture.in_state("b", PortState::kUp));
  }
  CHECK(fixture.in_state("a", PortState::kUp));
  CHECK(fixture.port("a").connections == 1);
}

TEST_CASE("a size that is none is refused, and a running ring keeps its own") {
  SwitchFixture fixture;
  fixture.add_port("b", mac(2));
  SUBCASE("no power of two") {
    HostileClient client(fixture.socket("b"));
    REQUIRE(client.handshake());
    uint32_t base = 0;
    CHECK_FALSE(resize(client, kReceiveQueue, 48, base));
    CHECK(client.closed());
  }
  SUBCASE("while it runs") {
    HostileClient client(fixture.socket("b"));
    REQUIRE(client.handshake());
    REQUIRE(client.send_state(Request::kSetVringNum, kReceiveQueue, 128));
    CHECK(client.closed());
  }
  CHECK(eventually([&] { return fixture.told("b", "USV_MESSAGE"); }));
}

}  // namespace
}  // namespace usvhost::test
