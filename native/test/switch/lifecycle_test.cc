// SPDX-License-Identifier: Apache-2.0
// Ports that come and go while others work: what the switch refuses, and that nothing is left behind.
#include "memory/fault_guard.h"
#include "test/hostile_client.h"
#include "test/switch/canary.h"

namespace usvhost::test {
namespace {

PortOptions named(const std::string& name, const std::string& path) {
  PortOptions options;
  options.name = name;
  options.socket.path = path;
  return options;
}

TrafficOptions stream(MacAddress from, MacAddress to) {
  TrafficOptions traffic;
  traffic.transmit = true;
  traffic.source_mac = from;
  traffic.destination_mac = to;
  return traffic;
}

TEST_CASE("a switch that cannot start leaves no thread, no descriptor and no file") {
  TemporaryDirectory directory;
  size_t descriptors = open_descriptors(), threads = running_threads();
  struct Case {
    std::vector<int> cpus;
    std::string stats;
    const char* code;
  };
  REQUIRE(FaultGuard::install().ok());
  descriptors = open_descriptors();
  for (const Case& bad :
       {Case{{CPU_SETSIZE - 1}, directory / "stats", "USV_CONFIG"},
        Case{{-1, CPU_SETSIZE}, directory / "stats", "USV_CONFIG"}, Case{{}, directory / "no/such/stats", "USV_IO"}}) {
    SwitchOptions options;
    options.cpus = bad.cpus;
    options.stats_file = bad.stats;
    {
      Switch failed(options, [](PortEvent) {});
      Status status = failed.start();
      REQUIRE_FALSE(status.ok());
      CHECK(std::string(status.code) == bad.code);
    }
    CHECK(open_descriptors() == descriptors);
    CHECK(threads_ended(threads));
    CHECK_FALSE(std::filesystem::exists(directory / "stats"));
  }
}

TEST_CASE("ports that are refused change nothing") {
  SwitchOptions options;
  options.max_ports = 3;
  SwitchFixture fixture(options);
  fixture.add_port("a", mac(1));
  size_t descriptors = open_descriptors();
  auto refused = [&fixture, &descriptors](PortOptions port) {
    Status status = fixture->add_port(std::move(port));
    // Asking whether a socket is served costs its switch a connection for a moment.
    CHECK(eventually([&] { return open_descriptors() == descriptors; }));
    return status.ok() ? std::string("ok") : std::string(status.code);
  };
  CHECK(refused(named("a", fixture.socket("other"))) == "USV_PORT_OCCUPIED");
  CHECK(refused(named("b", fixture.socket("a"))) == "USV_PORT_OCCUPIED");
  CHECK(refused(named("b", "/tmp/" + std::string(200, 'x'))) == "USV_SOCKET_PATH");
  CHECK(refused(named("b", "/no/such/directory/socket")) == "USV_IO");
  PortOptions same_mac = named("b", fixture.socket("b"));
  same_mac.mac = mac(1);
  CHECK(refused(same_mac) == "USV_PORT_OCCUPIED");
  CHECK_FALSE(std::filesystem::exists(fixture.socket("b")));
  CHECK_FALSE(std::filesystem::exists(fixture.socket("other")));
  fixture.add_port("b");
  fixture.add_port("c");
  descriptors += 2;  // their listening sockets
  CHECK(refused(named("d", fixture.socket("d"))) == "USV_CONFIG");
  CHECK(fixture->ports().size() == 3);
  CHECK_FALSE(fixture->remove_port("d"));
  REQUIRE(fixture->remove_port("a"));
  CHECK_FALSE(fixture->remove_port("a"));
  CHECK_FALSE(std::filesystem::exists(fixture.socket("a")));
  fixture.add_port("d", mac(1));  // slot and address are free again
}

TEST_CASE("a thousand ports come and go: descriptors, threads and files stay as they were") {
  SwitchFixture fixture;
  Canary canary(fixture);
  auto cycle = [&fixture](int i) {
    std::string name(1, static_cast<char>('p' + i % 7));
    fixture.add_port(name, mac(static_cast<uint8_t>(i % 100)));
    if (i % 10 == 0) {
      HostileClient client(fixture.socket(name));
      REQUIRE(client.handshake());
      REQUIRE(fixture->remove_port(name));
      CHECK(client.closed());
    } else {
      REQUIRE(fixture->remove_port(name));
    }
  };
  for (int i = 0; i < 20; i++) cycle(i);
  size_t descriptors = open_descriptors(), threads = running_threads();
  for (int i = 0; i < 1000; i++) cycle(i);
  CHECK(open_descriptors() == descriptors);
  CHECK(threads_ended(threads));
  CHECK(fixture->ports().size() == 2);
  CHECK(canary.unharmed());
}

TEST_CASE("ports are removed and made again in the middle of traffic") {
  SwitchFixture fixture;
  Canary canary(fixture);
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  auto source = start_dataplane(fixture.socket("a"), stream(mac(1), mac(2)));
  auto echo = start_dataplane(fixture.socket("b"), L2fwdOptions{});
  for (int i = 0; i < 20; i++) {
    CAPTURE(i);
    const char* name = i % 2 == 0 ? "b" : "a";
    // Traffic has to flow both ways before the next cut.
    double before = metric(source->report().engine, "received");
    REQUIRE(eventually([&] { return metric(source->report().engine, "received") > before; }));
    REQUIRE(fixture->remove_port(name));
    fixture.add_port(name, mac(i % 2 == 0 ? 2 : 1));
  }
  double before = metric(source->report().engine, "received");
  CHECK(eventually([&] { return metric(source->report().engine, "received") > before; }));
  CHECK(metric(source->report().engine, "foreign") == 0);
  source.reset();
  echo.reset();
  CHECK(canary.unharmed());
}

TEST_CASE("the memory table is replaced a thousand times in the middle of traffic") {
  SwitchFixture fixture;
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  HostileClient client(fixture.socket("b"));
  REQUIRE(client.handshake());
  auto source = start_dataplane(fixture.socket("a"), stream(mac(1), mac(2)));
  REQUIRE(eventually([&] { return fixture.in_state("a", PortState::kUp); }));
  size_t descriptors = open_descriptors();
  uint16_t posted = 0;
  for (int i = 0; i < 1000; i++) {
    while (static_cast<uint16_t>(posted - client.rings[kReceiveQueue].used()) < 32) {
      client.post_receive(posted++ % 32);
    }
    REQUIRE(client.send_memory(kFlagNeedReply));
    REQUIRE(client.acknowledged());
    if (i % 100 == 0) {
      uint16_t used = client.rings[kReceiveQueue].used();
      while (static_cast<uint16_t>(posted - used) < 32) client.post_receive(posted++ % 32);
      REQUIRE(eventually([&] { return client.rings[kReceiveQueue].used() != used; }));
    }
  }
  REQUIRE(client.send(Request::kGetStatus));
  REQUIRE(client.receive().has_value());
  CHECK(open_descriptors() == descriptors);
  CHECK(fixture.in_state("b", PortState::kUp));
  // In order and without a gap: the position of the ring has survived each change.
  uint16_t used = client.rings[kReceiveQueue].used();
  CHECK(used > 10);
  for (uint16_t i = static_cast<uint16_t>(used - 10); i != used; i++) {
    CHECK(client.rings[kReceiveQueue].used_entry(i).id == i % 32);
  }
}

TEST_CASE("rings are stopped, disabled and started again in the middle of traffic") {
  SwitchFixture fixture;
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  HostileClient client(fixture.socket("b"));
  REQUIRE(client.handshake());
  auto source = start_dataplane(fixture.socket("a"), stream(mac(1), mac(2)));
  for (int i = 0; i < 100; i++) {
    REQUIRE(client.send_state(Request::kSetVringEnable, kReceiveQueue, 0));
    REQUIRE(client.send_state(Request::kSetVringEnable, kReceiveQueue, 1));
    REQUIRE(client.send_state(Request::kGetVringBase, kReceiveQueue, 0));
    std::optional<Message> base = client.receive();
    REQUIRE(base.has_value());
    // A stopped ring is no longer touched: what was posted after the answer stays.
    uint16_t used = client.rings[kReceiveQueue].used();
    CHECK(base->payload.state.value == used);
    client.post_receive(used % 32);
    REQUIRE(client.send(Request::kGetStatus));
    REQUIRE(client.receive().has_value());
    CHECK(client.rings[kReceiveQueue].used() == used);
    REQUIRE(client.send_number(Request::kSetVringKick, kReceiveQueue, {client.kicks[kReceiveQueue].get()}));
    REQUIRE(eventually([&] { return client.rings[kReceiveQueue].used() != used; }));
  }
  CHECK(fixture.told("b", "the front-end"));
  // In the loop it may have been away for so short a time that no frame met it.
  REQUIRE(client.send_state(Request::kSetVringEnable, kReceiveQueue, 0));
  CHECK(eventually([&] { return fixture.counter("b", Counter::rx_drop_disabled) > 0; }));
}

TEST_CASE("several data threads: every port has its own, and all of them reach each other") {
  SwitchOptions options;
  options.cpus = {-1, -1, -1};
  SwitchFixture fixture(options);
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  Canary canary(fixture);
  TrafficOptions traffic = stream(mac(1), mac(2));
  traffic.verify = true;
  auto source = start_dataplane(fixture.socket("a"), traffic);
  auto echo = start_dataplane(fixture.socket("b"), L2fwdOptions{});
  CHECK(eventually([&] { return metric(source->report().engine, "received") > (kSanitized ? 1000 : 20'000); }));
  CHECK(metric(source->report().engine, "corrupted") == 0);
  source.reset();
  echo.reset();
  CHECK(canary.unharmed());
}

TEST_CASE("stop in the middle of traffic, twice, and the drivers notice") {
  TemporaryDirectory directory;
  SwitchOptions options;
  options.stats_file = directory / "stats";
  size_t threads = running_threads();
  auto running = std::make_unique<Switch>(options, [](PortEvent) {});
  REQUIRE(running->start().ok());
  for (const char* name : {"a", "b"}) REQUIRE(running->add_port(named(name, directory / name)).ok());
  auto source = start_dataplane(directory / "a", stream(mac(1), mac(2)));
  auto echo = start_dataplane(directory / "b", L2fwdOptions{});
  REQUIRE(eventually([&] { return metric(source->report().engine, "received") > 0; }));
  running->stop();
  running->stop();
  CHECK(running->ports().empty());
  CHECK_FALSE(std::filesystem::exists(directory / "a"));
  running.reset();
  CHECK_FALSE(std::filesystem::exists(directory / "stats"));
  source.reset();
  echo.reset();
  CHECK(threads_ended(threads));
}

}  // namespace
}  // namespace usvhost::test
