// SPDX-License-Identifier: Apache-2.0
// l2fwd, traffic and responder on ports whose other end is the test.
#include "engines/frames.h"
#include "engines/l2fwd.h"
#include "engines/responder.h"
#include "engines/traffic.h"
#include "test/engines/wires.h"

namespace usvhost::test {
namespace {

Wires::Frame addressed(MacAddress to, MacAddress from, size_t length = 60) {
  Wires::Frame frame(length, 0x33);
  store_mac(frame.data(), to);
  store_mac(frame.data() + 6, from);
  return frame;
}

TEST_CASE("l2fwd: one port and two ports, swapped and rewritten, the rest of the frame as it came") {
  for (size_t ports : {size_t{1}, size_t{2}}) {
    for (bool swap : {true, false}) {
      CAPTURE(ports);
      CAPTURE(swap);
      Wires wires(ports);
      L2fwd engine(wires.ports(), {swap, mac(7), mac(8)});
      for (size_t from = 0; from < ports; from++) {
        Wires::Frame frame = addressed(mac(2), mac(1), 1514);
        for (int i = 0; i < 40; i++) REQUIRE(wires.arrive(frame, from));
        while (engine.poll() != 0) continue;
        std::vector<Wires::Frame> out = wires.sent(ports - 1 - from);
        REQUIRE(out.size() == 40);
        Wires::Frame expected = swap ? addressed(mac(1), mac(2), 1514) : addressed(mac(8), mac(7), 1514);
        for (const Wires::Frame& one : out) CHECK(one == expected);
        if (ports == 2) CHECK(wires.sent(from).empty());
      }
    }
  }
}

TEST_CASE("l2fwd: frames with nowhere to go are dropped, and their buffers come back") {
  Wires wires(2);
  uint32_t before = wires.pool().available();
  L2fwd engine(wires.ports(), {});
  wires.port(1).set_down();
  for (int i = 0; i < 32; i++) REQUIRE(wires.arrive(addressed(mac(2), mac(1))));
  CHECK(engine.poll() == 32);
  CHECK(wires.port(1).counters().tx_drop_down == 32);
  CHECK(wires.pool().available() == before);
  Wires full;
  L2fwd back({&full.port()}, {});
  for (int i = 0; i < 100; i++) {
    REQUIRE(full.arrive(addressed(mac(2), mac(1))));
    CHECK(back.poll() == 1);
  }
  CHECK(full.sent().size() == 64);
  CHECK(full.port().counters().tx_drop_full == 36);
}

TEST_CASE("traffic: sizes it cannot send are refused") {
  for (uint32_t size : {0u, 59u, kMaxFrameBytes + 1, UINT32_MAX}) {
    Wires wires;
    TrafficOptions options;
    options.size = size;
    Traffic engine(wires.port(), options);
    CHECK(std::string(engine.open().code) == "USV_CONFIG");
  }
}

TEST_CASE("traffic: sends its limit and not more, numbered, only while it runs") {
  Wires wires;
  TrafficOptions options;
  options.transmit = options.verify = true;
  options.limit = 100;
  options.size = 61;
  options.source_mac = mac(1);
  options.destination_mac = mac(2);
  options.running = false;
  Traffic engine(wires.port(), options);
  REQUIRE(engine.open().ok());
  engine.poll();
  CHECK(wires.sent().empty());
  CHECK(engine.max_sleep_millis() == -1);
  engine.set_running(true);
  CHECK(engine.max_sleep_millis() == 0);
  uint64_t expected = 0;
  for (int pass = 0; pass < 50; pass++) {
    engine.poll();
    for (const Wires::Frame& frame : wires.sent()) {
      uint64_t sequence = 0;
      CHECK(check_test_payload(frame.data(), static_cast<uint32_t>(frame.size()), sequence));
      CHECK(sequence == expected++);
      CHECK(load_mac(frame.data()) == mac(2));
      CHECK(load_mac(frame.data() + 6) == mac(1));
    }
  }
  CHECK(expected == 100);
  CHECK(metric(engine.report(), "sent") == 100);
  CHECK(engine.max_sleep_millis() == -1);
}

TEST_CASE("traffic: two lanes with one limit send it together") {
  Wires first, second;
  TrafficOptions options;
  options.transmit = true;
  options.limit = 100;
  options.budget = std::make_shared<FrameBudget>(options.limit);
  Traffic one(first.port(), options), two(second.port(), options);
  REQUIRE(one.open().ok());
  REQUIRE(two.open().ok());
  size_t by_one = 0, by_two = 0;
  // The first ring fills up, and what it did not take is still there for the other one.
  for (int pass = 0; pass < 5; pass++) one.poll();
  CHECK(metric(one.report(), "sent") == 64);
  for (int pass = 0; pass < 5; pass++) two.poll();
  by_one += first.sent().size();
  by_two += second.sent().size();
  CHECK(by_one == 64);
  CHECK(by_two == 36);
  CHECK(one.max_sleep_millis() == -1);
  CHECK(two.max_sleep_millis() == -1);
}

TEST_CASE("traffic: a full ring costs no buffer and no number") {
  Wires wires;
  TrafficOptions options;
  options.transmit = options.verify = true;
  Traffic engine(wires.port(), options);
  REQUIRE(engine.open().ok());
  uint32_t before = wires.pool().available();
  for (int i = 0; i < 10; i++) engine.poll();
  CHECK(metric(engine.report(), "sent") == 64);
  CHECK(wires.pool().available() == before - 64);
  uint64_t expected = 0, sequence = 0;
  for (int pass = 0; pass < 10; pass++) {
    for (const Wires::Frame& frame : wires.sent()) {
      REQUIRE(check_test_payload(frame.data(), 60, sequence));
      CHECK(sequence == expected++);
    }
    engine.poll();
  }
  CHECK(expected > 200);
}

TEST_CASE("traffic: verification finds one flipped bit, another length, and strangers") {
  Wires wires;
  TrafficOptions options;
  options.verify = true;
  options.size = 64;
  Traffic engine(wires.port(), options);
  REQUIRE(engine.open().ok());
  Wires::Frame good = addressed(mac(1), mac(2), 64);
  fill_test_payload(good.data(), 64, 12345);
  auto receive = [&](const Wires::Frame& frame) {
    double before = metric(engine.report(), "corrupted");
    REQUIRE(wires.arrive(frame));
    REQUIRE(engine.poll() == 1);
    return metric(engine.report(), "corrupted") - before;
  };
  CHECK(receive(good) == 0);
  for (size_t bit = 14 * 8; bit < 64 * 8; bit++) {
    Wires::Frame bad = good;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ 1 << bit % 8);
    CHECK(receive(bad) == 1);
  }
  Wires::Frame longer = addressed(mac(1), mac(2), 65);
  fill_test_payload(longer.data(), 65, 12345);
  CHECK(receive(longer) == 1);
  CHECK(receive(Wires::Frame(good.begin(), good.begin() + 63)) == 1);
  CHECK(receive(Wires::Frame(good.begin(), good.begin() + 14)) == 1);
  CHECK(receive(Wires::Frame(good.begin(), good.begin() + 13)) == 0);
  CHECK(receive(Wires::Frame{}) == 0);
  Wires::Frame stranger = good;
  stranger[12] = 8;
  CHECK(receive(stranger) == 0);
  CHECK(metric(engine.report(), "foreign") == 3);
  CHECK(wires.pool().available() + wires.receive().available() == 400);
}

TEST_CASE("responder: answers what is for it, gives the rest back") {
  Wires wires;
  Responder engine(wires.port(), {mac(2), 0x0200000a});
  Wires::Frame arp(60), other(60);
  build_arp_request(arp.data(), mac(1), 0x0100000a, 0x0200000a);
  build_arp_request(other.data(), mac(1), 0x0100000a, 0x0300000a);
  for (int i = 0; i < 20; i++) {
    REQUIRE(wires.arrive(arp));
    REQUIRE(wires.arrive(other));
    REQUIRE(wires.arrive(Wires::Frame(i, 0xff)));
    engine.poll();
  }
  std::vector<Wires::Frame> out = wires.sent();
  REQUIRE(out.size() == 20);
  CHECK(parse_arp_reply(out[0].data(), 60, 0x0200000a) == mac(2));
  CHECK(metric(engine.report(), "answered") == 20);
  CHECK(metric(engine.report(), "ignored") == 40);
}

}  // namespace
}  // namespace usvhost::test
