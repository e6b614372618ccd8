// SPDX-License-Identifier: Apache-2.0
// Networks are apart: no frame leaves its own, an address may be there in each, and what a port does to the table of its
// network is not felt in another one.
#include "test/switch/canary.h"
#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

using Learned = MacTable::Learned;
constexpr MacAddress kBroadcast = kMacMask;

/** Four pods: 0 and 1 in one network, 2 and 3 in the other. */
struct TwoNetworks {
  TwoNetworks()
      : table(8),
        left(256, 300, 8),
        right(256, 300, 8),
        forwarder(table),
        pods{{table, left, 0}, {table, left, 1}, {table, right, 2}, {table, right, 3}} {
    for (Pod& pod : pods) pod.post(16);
  }
  void send(uint16_t from, MacAddress to, MacAddress as) {
    pods[from].send(frame(to, as));
    CHECK(forwarder.forward(pods[from].runtime, 1) == 1);
  }
  /** Frames that each pod has received. */
  std::vector<uint64_t> received() const {
    std::vector<uint64_t> counts;
    for (const Pod& pod : pods) counts.push_back(pod.count(Counter::rx_packets));
    return counts;
  }

  PortTable table;
  Network left, right;
  Forwarder forwarder;
  Pod pods[4];
};
using Counts = std::vector<uint64_t>;

TEST_CASE("broadcast and unknown addresses are flooded in their network only") {
  TwoNetworks bench;
  bench.send(0, kBroadcast, mac(1));
  CHECK(bench.received() == Counts{0, 1, 0, 0});
  bench.send(0, mac(9), mac(1));
  CHECK(bench.received() == Counts{0, 2, 0, 0});
  CHECK(bench.pods[0].count(Counter::tx_flooded) == 2);
  bench.send(2, kBroadcast, mac(3));
  CHECK(bench.received() == Counts{0, 2, 0, 1});
}

TEST_CASE("an address of another network is unknown, configured or learned") {
  TwoNetworks bench;
  REQUIRE(bench.right.macs.add_static(mac(3), 2));
  bench.send(3, kBroadcast, mac(4));
  Counts before = bench.received();
  bench.table.withdraw(1);
  bench.send(0, mac(3), mac(1));
  bench.send(0, mac(4), mac(1));
  CHECK(bench.received() == before);
  // The only port of its network that is left: there is nobody, whoever has the address elsewhere.
  CHECK(bench.pods[0].count(Counter::tx_drop_no_receiver) == 2);
}

TEST_CASE("one address in two networks is two addresses") {
  TwoNetworks bench;
  REQUIRE(bench.left.macs.add_static(mac(7), 1));
  REQUIRE(bench.right.macs.add_static(mac(7), 3));
  bench.send(0, mac(7), mac(1));
  bench.send(2, mac(7), mac(1));
  CHECK(bench.received() == Counts{0, 1, 0, 1});
  // Its owner in each network uses it as a source without spoofing the other; anybody else spoofs it.
  bench.send(1, mac(1), mac(7));
  bench.send(3, mac(1), mac(7));
  CHECK(bench.received() == Counts{1, 1, 1, 1});
  bench.send(0, mac(9), mac(7));
  CHECK(bench.pods[0].count(Counter::tx_drop_spoofed) == 1);
  CHECK(bench.pods[1].count(Counter::tx_drop_spoofed) + bench.pods[3].count(Counter::tx_drop_spoofed) == 0);
}

TEST_CASE("a port cannot learn, take or crowd out addresses of another network") {
  TwoNetworks bench;
  REQUIRE(bench.left.macs.add_static(mac(1), 0));
  REQUIRE(bench.left.macs.learn(mac(2), 1, 1) == Learned::kNew);
  // The addresses themselves, then so many others that no bucket of its own network has room.
  bench.send(2, kBroadcast, mac(1));
  bench.send(2, kBroadcast, mac(2));
  CHECK(bench.pods[2].drops() == 0);
  for (uint64_t i = 0; i < 100'000; i++) {
    for (uint16_t port : {uint16_t{2}, uint16_t{3}})
      bench.right.macs.learn(0x06 | i << 8 | uint64_t{port} << 40, port, 1);
  }
  Counts before = bench.received();
  bench.send(0, mac(2), mac(1));
  bench.send(1, mac(1), mac(2));
  CHECK(bench.received() == Counts{before[0] + 1, before[1] + 1, before[2], before[3]});
  // Its table has all the room that it had: a quarter for a port, less the address it has learned.
  uint32_t learned = 0;
  for (uint64_t i = 0; i < 100'000; i++) learned += bench.left.macs.learn(0x0a | i << 8, 1, 1) == Learned::kNew ? 1 : 0;
  CHECK(learned == 256 / 4 - 1);
}

TEST_CASE("a slot that has been given to a port of another network gets no frame of the old one") {
  TwoNetworks bench;
  bench.left.macs.learn(mac(2), 1, 1);
  bench.pods[1].runtime.network = &bench.right;
  bench.send(0, mac(2), mac(1));
  CHECK(bench.received() == Counts{0, 0, 0, 0});
  CHECK(bench.pods[0].count(Counter::tx_drop_down) == 1);
}

TrafficOptions stream(MacAddress from, MacAddress to) {
  TrafficOptions traffic;
  traffic.transmit = true;
  traffic.verify = true;
  traffic.source_mac = from;
  traffic.destination_mac = to;
  return traffic;
}

TEST_CASE("a running switch: the same addresses in two networks, and traffic in each meets its own") {
  SwitchFixture fixture;
  std::vector<std::unique_ptr<Dataplane>> pods;
  for (std::string network : {"red", "blue"}) {
    fixture.add_port(network + "-echo", mac(2), 1500, network);
    fixture.add_port(network + "-source", mac(1), 1500, network);
    pods.push_back(start_dataplane(fixture.socket(network + "-echo"), L2fwdOptions{}));
  }
  auto source = start_dataplane(fixture.socket("red-source"), stream(mac(1), mac(2)));
  REQUIRE(eventually([&] { return metric(source->report().engine, "received") > 1000; }));
  for (const char* name : {"blue-echo", "blue-source"}) {
    CHECK(fixture.counter(name, Counter::rx_packets) == 0);
    CHECK(fixture.counter(name, Counter::tx_packets) == 0);
  }
  CHECK(metric(source->report().engine, "foreign") == 0);
  auto other = start_dataplane(fixture.socket("blue-source"), stream(mac(1), mac(2)));
  CHECK(eventually([&] { return metric(other->report().engine, "received") > 1000; }));
}

TEST_CASE("an address is one port's in its network, free in another, and free again with its port") {
  SwitchFixture fixture;
  auto refused = [&fixture](const std::string& name, const std::string& network) {
    PortOptions options;
    options.name = name;
    options.network = network;
    options.socket.path = fixture.socket(name);
    options.mac = mac(1);
    return !fixture->add_port(options).ok();
  };
  fixture.add_port("a", mac(1), 1500, "red");
  CHECK(refused("b", "red"));
  CHECK_FALSE(refused("b", "blue"));
  CHECK_FALSE(refused("c", ""));
  CHECK(refused("d", ""));
  REQUIRE(fixture->remove_port("a"));
  CHECK_FALSE(refused("d", "red"));
  CHECK(refused("a", "blue"));
}

TEST_CASE("networks come and go beside one that works") {
  SwitchFixture fixture;
  Canary canary(fixture);
  fixture.add_port("a", mac(1), 1500, "red");
  fixture.add_port("b", mac(2), 1500, "red");
  auto source = start_dataplane(fixture.socket("a"), stream(mac(1), mac(2)));
  auto echo = start_dataplane(fixture.socket("b"), L2fwdOptions{});
  auto received = [&source] { return metric(source->report().engine, "received"); };
  REQUIRE(eventually([&] { return received() > 0; }));
  for (int i = 0; i < 200; i++) {
    std::string network = std::to_string(i % 5);
    // The addresses of the pods that work, so that a mistake would take their frames away.
    fixture.add_port("c", mac(2), 1500, network);
    fixture.add_port("d", mac(1), 1500, network);
    auto other = start_dataplane(fixture.socket("c"), stream(mac(2), mac(1)));
    if (i % 20 == 0) {
      double before = received();
      REQUIRE(eventually([&] { return fixture.in_state("c", PortState::kUp) && received() > before; }));
    }
    CHECK(fixture->remove_port(i % 2 == 0 ? "c" : "d"));
    CHECK(fixture->remove_port(i % 2 == 0 ? "d" : "c"));
  }
  CHECK(fixture.counter("a", Counter::tx_drop_spoofed) == 0);
  CHECK(canary.unharmed());
}

}  // namespace
}  // namespace usvhost::test
