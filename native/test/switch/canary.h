// SPDX-License-Identifier: Apache-2.0
// Two well-behaved pods on a switch that is being attacked: one pings the other, and not one answer may be missing.
#pragma once

#include "test/support.h"

namespace usvhost::test {

class Canary {
 public:
  static constexpr uint32_t kPings = 30;

  explicit Canary(SwitchFixture& fixture) : fixture_(fixture) {
    fixture.add_port("canary-a", mac(0xca));
    fixture.add_port("canary-b", mac(0xcb));
    responder_ = start_dataplane(fixture.socket("canary-b"), ResponderOptions{mac(0xcb), 0x0200000a});
    PingOptions options;
    options.mac = mac(0xca);
    options.source = 0x0100000a;
    options.destination = 0x0200000a;
    options.count = kPings;
    options.interval_millis = 1;
    options.timeout_millis = 5000;
    ping_ = start_dataplane(fixture.socket("canary-a"), options);
    // It sings before the attack begins, so that the attack falls into its song.
    REQUIRE(eventually([&] { return metric(ping_->report().engine, "received") >= 1; }));
  }
  /** Waits for the last answer; true when none is missing and neither port was ever disturbed. */
  bool unharmed() {
    bool all = eventually([&] { return metric(ping_->report().engine, "done") == 1; });
    bool answered = metric(ping_->report().engine, "received") == kPings;
    bool connected = fixture_.port("canary-a").connections == 1 && fixture_.port("canary-b").connections == 1;
    return all && answered && connected && fixture_.in_state("canary-a", PortState::kUp) &&
           fixture_.in_state("canary-b", PortState::kUp);
  }

 private:
  SwitchFixture& fixture_;
  std::unique_ptr<Dataplane> responder_, ping_;
};

}  // namespace usvhost::test
