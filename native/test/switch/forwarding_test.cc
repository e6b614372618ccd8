// SPDX-License-Identifier: Apache-2.0
// The whole datapath in one process: our driver, our socket, our switch, our driver again.
#include "test/hostile_client.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

bool both_up(SwitchFixture& fixture) {
  return fixture.port("a").state == PortState::kUp && fixture.port("b").state == PortState::kUp;
}

TEST_CASE("two ports exchange frames without loss of bytes, at every size and queue size") {
  for (uint16_t queue_size : {uint16_t{4}, uint16_t{256}, uint16_t{1024}}) {
    for (uint32_t size : {60u, 64u, 128u, 512u, 1514u, 1518u}) {
      CAPTURE(queue_size);
      CAPTURE(size);
      SwitchFixture fixture;
      fixture.add_port("a", mac(1));
      fixture.add_port("b", mac(2));
      auto echo = start_dataplane(fixture.socket("b"), L2fwdOptions{}, queue_size);
      TrafficOptions traffic;
      traffic.transmit = true;
      traffic.verify = true;
      traffic.size = size;
      traffic.limit = 5000;
      traffic.running = false;
      traffic.source_mac = mac(1);
      traffic.destination_mac = mac(2);
      auto source = start_dataplane(fixture.socket("a"), traffic, queue_size);
      REQUIRE(eventually([&] { return both_up(fixture); }));
      source->set_running(true);
      REQUIRE(eventually([&] { return metric(source->report().engine, "sent") == 5000; }));
      auto accounted = [&] {
        DataplaneReport there = echo->report();
        return metric(source->report().engine, "received") +
               static_cast<double>(fixture.counter("a", Counter::rx_drop_no_buffer) +
                                   fixture.counter("b", Counter::rx_drop_no_buffer)) +
               metric(there.ports[0].counters, "tx_drop_full");
      };
      CHECK(eventually([&] { return accounted() == 5000; }));
      CHECK(metric(source->report().engine, "received") > 0);
      CHECK(metric(source->report().engine, "corrupted") == 0);
      CHECK(metric(source->report().engine, "foreign") == 0);
    }
  }
}

TEST_CASE("a driver is never asked to kick for receive buffers: nobody waits for them") {
  SwitchFixture fixture;
  HostileClient client(fixture.add_port("a"));
  REQUIRE(client.handshake());
  REQUIRE(eventually([&] { return fixture.in_state("a", PortState::kUp); }));
  CHECK(load_once(&client.rings[kReceiveQueue].ring().used->flags) == VRING_USED_F_NO_NOTIFY);
  // The transmit queue's are wanted once the data thread sleeps.
  CHECK(eventually([&] { return load_once(&client.rings[kTransmitQueue].ring().used->flags) == 0; }));
}

TEST_CASE("ping answers, while both sides sleep between the frames") {
  SwitchFixture fixture;
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  auto responder = start_dataplane(fixture.socket("b"), ResponderOptions{mac(2), 0x0200000a});
  PingOptions options;
  options.mac = mac(1);
  options.source = 0x0100000a;
  options.destination = 0x0200000a;
  options.interval_millis = 5;
  auto ping = start_dataplane(fixture.socket("a"), options);
  REQUIRE(eventually([&] { return metric(ping->report().engine, "done") == 1; }));
  CHECK(metric(ping->report().engine, "received") == 10);
  CHECK(fixture->sleeps() > 0);
}

TEST_CASE("a driver reconnects by itself when its switch port is made again") {
  SwitchFixture fixture;
  fixture.add_port("a");
  auto source = start_dataplane(fixture.socket("a"), TrafficOptions{});
  REQUIRE(eventually([&] { return fixture.port("a").state == PortState::kUp; }));
  REQUIRE(fixture->remove_port("a"));
  fixture.add_port("a");
  CHECK(eventually([&] { return fixture.port("a").state == PortState::kUp; }));
}

}  // namespace
}  // namespace usvhost::test
