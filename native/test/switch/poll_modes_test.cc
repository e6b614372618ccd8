// SPDX-License-Identifier: Apache-2.0
// Each poll mode of the switch with each of a driver: frames arrive whoever sleeps, and who only polls never sleeps and is never
// notified.
#include "test/support.h"

namespace usvhost::test {
namespace {

struct Mode {
  std::string name;
  PollMode mode;
};
const Mode kModes[] = {
    {"poll", PollMode::kPoll}, {"adaptive", PollMode::kAdaptive}, {"interrupt", PollMode::kInterrupt}};

std::unique_ptr<Dataplane> start(PollMode mode, const std::string& path, EngineOptions engine) {
  DataplaneOptions options;
  options.ports.push_back({"p0", path});
  options.engine = std::move(engine);
  options.idle_micros = 20;
  options.poll_mode = mode;
  auto dataplane = std::make_unique<Dataplane>(options, [](LinkEvent) {});
  Status status = dataplane->start();
  REQUIRE_MESSAGE(status.ok(), status.describe());
  return dataplane;
}

/** With fewer CPUs than threads that poll, one may find work each time it runs at all; it sleeps once there is none. */
template <class Sleeps>
void check_sleeps(PollMode mode, Sleeps sleeps) {
  if (mode == PollMode::kPoll) {
    CHECK(sleeps() == 0);
  } else {
    CHECK(eventually([&] { return sleeps() != 0; }));
  }
}

PingOptions ping_options() {
  PingOptions options;
  options.mac = mac(1);
  options.source = 0x0100000a;
  options.destination = 0x0200000a;
  options.interval_millis = 2;
  // A wake-up that is lost is an answer that never comes; one that is late on a busy machine is none.
  options.timeout_millis = 10'000;
  return options;
}

TEST_CASE("poll modes: single frames in every combination of a switch and its drivers") {
  for (const Mode& vswitch : kModes) {
    for (const Mode& driver : kModes) {
      CAPTURE(vswitch.name);
      CAPTURE(driver.name);
      SwitchOptions options;
      options.idle_micros = 20;
      options.poll_mode = vswitch.mode;
      SwitchFixture fixture(options);
      fixture.add_port("a", mac(1));
      fixture.add_port("b", mac(2));
      auto responder = start(driver.mode, fixture.socket("b"), ResponderOptions{mac(2), 0x0200000a});
      REQUIRE(eventually([&] { return fixture.in_state("b", PortState::kUp); }));
      auto ping = start(driver.mode, fixture.socket("a"), ping_options());
      CHECK(eventually([&] { return metric(ping->report().engine, "received") == 10; }));
      check_sleeps(vswitch.mode, [&] { return fixture->sleeps(); });
      check_sleeps(driver.mode, [&] { return responder->sleeps(); });
      check_sleeps(driver.mode, [&] { return ping->sleeps(); });
    }
  }
}

TEST_CASE("poll modes: a burst without end goes through in every mode, and nothing of it is lost") {
  for (const Mode& each : kModes) {
    CAPTURE(each.name);
    SwitchOptions options;
    options.poll_mode = each.mode;
    SwitchFixture fixture(options);
    fixture.add_port("a", mac(1));
    fixture.add_port("b", mac(2));
    auto echo = start(each.mode, fixture.socket("b"), L2fwdOptions{});
    TrafficOptions traffic;
    traffic.transmit = true;
    traffic.verify = true;
    traffic.source_mac = mac(1);
    traffic.destination_mac = mac(2);
    auto source = start(each.mode, fixture.socket("a"), traffic);
    CHECK(eventually([&] { return metric(source->report().engine, "received") >= 1000; }));
    CHECK(metric(source->report().engine, "corrupted") == 0);
    // The port goes and comes again under the traffic: both sides find out whatever their mode is.
    REQUIRE(fixture->remove_port("b"));
    fixture.add_port("b", mac(2));
    double before = metric(source->report().engine, "received");
    CHECK(eventually([&] { return metric(source->report().engine, "received") > before + 1000; }));
  }
}

}  // namespace
}  // namespace usvhost::test
