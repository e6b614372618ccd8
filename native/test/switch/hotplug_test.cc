// SPDX-License-Identifier: Apache-2.0
// Memory that pods add and remove while frames flow.
#include "test/hostile_client.h"
#include "test/switch/canary.h"

namespace usvhost::test {
namespace {

/** Says that bytes [from, to) of the client's memory come or go; true when the switch has done it. */
bool slot(HostileClient& client, Request request, size_t from, size_t to) {
  MemorySlot slot{0, {client.address(from), to - from, client.address(from), from}};
  std::vector<int> fds;
  if (request == Request::kAddMemReg) fds.push_back(client.file());
  return client.send(request, &slot, sizeof slot, fds, kFlagNeedReply) && client.acknowledged();
}

struct Pods {
  Pods() {
    fixture.add_port("a", mac(1));
    client.emplace(fixture.add_port("b", mac(2)));
    REQUIRE(client->negotiate());
    REQUIRE(slot(*client, Request::kAddMemReg, 0, HostileClient::kData));
    for (uint16_t queue : {kReceiveQueue, kTransmitQueue}) REQUIRE(client->start_queue(queue));
    TrafficOptions traffic;
    traffic.transmit = true;
    traffic.source_mac = mac(1);
    traffic.destination_mac = mac(2);
    source = start_dataplane(fixture.socket("a"), traffic);
    REQUIRE(eventually([this] { return fixture.in_state("a", PortState::kUp); }));
  }
  SwitchFixture fixture;
  Canary canary{fixture};
  std::optional<HostileClient> client;
  std::unique_ptr<Dataplane> source;
};

constexpr size_t kEnd = HostileClient::kData + 32 * 2048;  // of the buffers that post_receive() knows

TEST_CASE("a region is added, filled by the switch and removed, again and again: nobody else notices") {
  Pods pods;
  HostileClient& client = *pods.client;
  size_t descriptors = 0;
  uint16_t used = 0;
  for (int i = 0; i < 200; i++) {
    CAPTURE(i);
    REQUIRE(slot(client, Request::kAddMemReg, HostileClient::kData, kEnd));
    for (uint16_t k = 0; k < 32; k++) client.post_receive(k);
    used = static_cast<uint16_t>(used + 32);
    REQUIRE(eventually([&] { return client.rings[kReceiveQueue].used() == used; }));
    REQUIRE(slot(client, Request::kRemMemReg, HostileClient::kData, kEnd));
    if (i == 0) descriptors = open_descriptors();
  }
  CHECK(open_descriptors() == descriptors);
  CHECK(pods.fixture.port("b").connections == 1);
  CHECK(pods.fixture.in_state("b", PortState::kUp));
  for (uint16_t i = static_cast<uint16_t>(used - 32); i != used; i++) {
    CHECK(client.rings[kReceiveQueue].used_entry(i).id == i % 32);
  }
  CHECK(pods.canary.unharmed());
}

TEST_CASE("memory is removed under the frames that are written to it: that port ends, and no other") {
  Pods pods;
  HostileClient& client = *pods.client;
  REQUIRE(slot(client, Request::kAddMemReg, HostileClient::kData, kEnd));
  for (uint16_t k = 0; k < 32; k++) client.post_receive(k);
  REQUIRE(eventually([&] { return client.rings[kReceiveQueue].used() == 32; }));
  REQUIRE(slot(client, Request::kRemMemReg, HostileClient::kData, kEnd));
  client.post_receive(0);  // into what is no longer there
  CHECK(client.closed());
  CHECK(eventually([&] { return pods.fixture.told("b", "USV_RING"); }));
  CHECK(pods.canary.unharmed());
}

}  // namespace
}  // namespace usvhost::test
