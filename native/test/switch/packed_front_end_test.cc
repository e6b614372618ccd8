// SPDX-License-Identifier: Apache-2.0
// Packed rings through a running switch: messages, kicks of a sleeping data thread, positions, and what the messages must refuse.
#include "test/packed_client.h"
#include "test/support.h"
#include "test/switch/canary.h"

namespace usvhost::test {
namespace {

TEST_CASE("packed front-end: frames go both ways between packed rings, through sleeps of the data thread") {
  SwitchFixture fixture;
  fixture.add_port("left");
  fixture.add_port("right");
  PackedClient left(fixture.socket("left")), right(fixture.socket("right"), 3);
  for (PackedClient* client : {&left, &right}) {
    REQUIRE(client->begin());
    REQUIRE(client->start(kReceiveQueue));
    REQUIRE(client->start(kTransmitQueue));
    REQUIRE(client->ready());
  }
  REQUIRE(eventually([&] { return fixture.in_state("right", PortState::kUp); }));
  uint64_t sleeps = 0;
  for (uint32_t i = 0; i < 600; i++) {
    uint8_t* buffer = right.at(HostileClient::kData + 65536 + 2048u * (i % 3));
    right.packed[kReceiveQueue].offer({{guest_address(buffer), 2048, VRING_DESC_F_WRITE}},
                                      static_cast<uint16_t>(i % 3));
    if (i % 50 == 0) REQUIRE(eventually([&] { return fixture->sleeps() > sleeps; }));
    // Counted before the frame: the sleep after it may have begun before anybody looks again.
    sleeps = fixture->sleeps();
    left.transmit(i);
    std::optional<RawPackedRing::Used> used;
    REQUIRE(eventually([&] { return (used = right.packed[kReceiveQueue].take()).has_value(); }));
    CHECK(used->id == i % 3);
    CHECK(used->length == 72);
    CHECK(buffer[26] == static_cast<uint8_t>(i));
    REQUIRE(eventually([&] { return left.packed[kTransmitQueue].take().has_value(); }));
  }
  // 600 entries are two laps of 255 and 90 more.
  REQUIRE(left.send_state(Request::kGetVringBase, kTransmitQueue, 0));
  std::optional<Message> answer = left.receive();
  REQUIRE(answer.has_value());
  CHECK(answer->payload.state.value == 0x805a'805a);
  REQUIRE(left.start(kTransmitQueue, answer->payload.state.value));
  right.packed[kReceiveQueue].offer({{right.address(HostileClient::kData), 2048, VRING_DESC_F_WRITE}}, 0);
  left.transmit(600);
  CHECK(eventually([&] { return right.packed[kReceiveQueue].take().has_value(); }));
}

TEST_CASE(
    "packed front-end: sizes, bases and addresses that no packed ring has, and what only a packed ring may have") {
  struct Case {
    const char* name;
    const char* reason;
    uint64_t features;
    void (*act)(PackedClient&);
  };
  const Case cases[] = {
      {"a split ring of 255 entries", "USV_MESSAGE", kFrontEndFeatures, [](PackedClient& c) { c.start(0, 0); }},
      {"a base of a split ring with a used half", "USV_MESSAGE", kFrontEndFeatures,
       [](PackedClient& c) { c.send_state(Request::kSetVringBase, 0, 0x10000); }},
      {"a base behind the ring", "USV_MESSAGE", kPacked, [](PackedClient& c) { c.start(0, 0x8000u | kEntries); }},
      {"a used base behind the ring", "USV_MESSAGE", kPacked, [](PackedClient& c) { c.start(0, 0x7fff'8000); }},
      {"an event structure aligned to two", "USV_REGION", kPacked,
       [](PackedClient& c) {
         c.send_state(Request::kSetVringNum, 0, 8);
         VringAddress where{0, 0, c.address(0), c.address(4096), c.address(4098), 0};
         c.send(Request::kSetVringAddr, &where, sizeof where);
         c.send_number(Request::kSetVringKick, 0, {c.kicks[0].get()});
       }},
      {"a ring whose last entry is outside", "USV_REGION", kPacked,
       [](PackedClient& c) {
         c.send_state(Request::kSetVringNum, 0, 8);
         VringAddress where{0, 0, c.address(HostileClient::kBytes - 7 * 16), c.address(4096), c.address(8192), 0};
         c.send(Request::kSetVringAddr, &where, sizeof where);
         c.send_number(Request::kSetVringKick, 0, {c.kicks[0].get()});
       }},
  };
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    PackedClient client(fixture.socket("evil"));
    REQUIRE(client.begin(bad.features));
    bad.act(client);
    CHECK(client.closed());
    REQUIRE(eventually([&] { return fixture.in_state("evil", PortState::kListening); }));
    CHECK(fixture.port("evil").last_error.find(bad.reason) == 0);
  }
  CHECK(canary.unharmed());
}

TEST_CASE("packed front-end: a chain that leads into nothing ends its port alone") {
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  PackedClient client(fixture.socket("evil"));
  REQUIRE(client.begin());
  REQUIRE(client.start(kReceiveQueue));
  REQUIRE(client.start(kTransmitQueue));
  REQUIRE(client.ready());
  client.packed[kTransmitQueue].offer({{client.address(HostileClient::kData), 72, VRING_DESC_F_NEXT}}, 0);
  client.kick(kTransmitQueue);
  CHECK(client.closed());
  CHECK(eventually([&] { return fixture.port("evil").last_error.find("USV_RING") == 0; }));
  CHECK(canary.unharmed());
}

}  // namespace
}  // namespace usvhost::test
