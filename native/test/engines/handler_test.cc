// SPDX-License-Identifier: Apache-2.0
// The handler engine with a handler that is the test: verdicts, lengths, failures, a handler that is slow or wrong, and a
// whole dataplane whose handler never answers.
#include "engines/handler.h"

#include "engines/frames.h"
#include "test/engines/wires.h"

namespace usvhost::test {
namespace {

using Words = FrameExchange::Words;

struct Bench {
  explicit Bench(size_t ports = 2) : wires(ports, 1200), exchange(std::make_shared<FrameExchange>()) {
    engine.emplace(wires.ports(), HandlerOptions{exchange});
    REQUIRE(engine->open().ok());
  }
  double count(const char* name) { return metric(engine->report(), name); }
  /** Takes a burst and decides on each of its frames by `decide(words, i, frame)`. */
  template <class Decide>
  uint32_t handle(Decide decide, bool failed = false) {
    int32_t taken = exchange->take();
    REQUIRE(taken >= 0);
    auto burst = static_cast<uint32_t>(taken);
    Words& words = exchange->words(burst);
    uint32_t count = words.count;
    for (uint32_t i = 0; i < count; i++) decide(words, i, exchange->frame(burst, i));
    exchange->give(failed);
    return count;
  }

  Wires wires;
  std::shared_ptr<FrameExchange> exchange;
  std::optional<Handler> engine;
};

Wires::Frame numbered(uint8_t number, size_t length = 60) {
  Wires::Frame frame(length, number);
  store_mac(frame.data(), mac(2));
  return frame;
}

TEST_CASE("handler: frames go out where it says, as it left them, the rest is dropped") {
  Bench bench;
  for (uint8_t i = 0; i < 12; i++) REQUIRE(bench.wires.arrive(numbered(i, 60u + i), 1));
  CHECK(bench.engine->poll() == 12);
  uint32_t got = bench.handle([](Words& words, uint32_t i, uint8_t* frame) {
    CHECK(words.port == 1);
    CHECK(words.length[i] == 60 + i);
    CHECK(words.verdict[i] == FrameExchange::kDrop);
    CHECK(frame[20] == i);
    frame[20] = static_cast<uint8_t>(i + 100);
    if (i % 3 != 2) words.verdict[i] = static_cast<int32_t>(i % 3);
    if (i == 3) words.length[i] = kPayloadCapacity;
    if (i == 4) words.length[i] = kEthernetBytes;
  });
  CHECK(got == 12);
  CHECK(bench.wires.sent(0).empty());
  CHECK(bench.engine->poll() == 12);
  for (size_t port : {size_t{0}, size_t{1}}) {
    std::vector<Wires::Frame> out = bench.wires.sent(port);
    REQUIRE(out.size() == 4);
    for (size_t k = 0; k < 4; k++) {
      auto i = static_cast<uint8_t>(k * 3 + port);
      if (i != 3 && i != 4) CHECK(out[k].size() == 60u + i);
      if (i != 4) CHECK(out[k][20] == i + 100);
    }
    if (port == 0) CHECK(out[1].size() == kPayloadCapacity);
    if (port == 1) CHECK(out[1].size() == kEthernetBytes);
  }
  CHECK(bench.count("drop_decided") == 4);
  CHECK(bench.count("frames") == 12);
  CHECK(bench.count("drop_invalid") + bench.count("drop_threw") + bench.count("drop_short") == 0);
}

TEST_CASE("handler: a burst on which it gave up is dropped, whatever it had decided") {
  Bench bench;
  for (uint8_t i = 0; i < 5; i++) REQUIRE(bench.wires.arrive(numbered(i)));
  bench.engine->poll();
  bench.handle([](Words& words, uint32_t i, uint8_t*) { words.verdict[i] = 1; }, true);
  bench.engine->poll();
  CHECK(bench.wires.sent(0).empty());
  CHECK(bench.wires.sent(1).empty());
  CHECK(bench.count("threw") == 1);
  CHECK(bench.count("drop_threw") == 5);
}

TEST_CASE("handler: verdicts and lengths that cannot be, and a changed count, harm nothing") {
  struct Wrong {
    int32_t verdict;
    uint32_t length;
  };
  for (Wrong wrong : {Wrong{2, 60}, Wrong{-2, 60}, Wrong{INT32_MAX, 60}, Wrong{INT32_MIN, 60}, Wrong{0, 13},
                      Wrong{0, 0}, Wrong{0, kPayloadCapacity + 1}, Wrong{0, UINT32_MAX}}) {
    Bench bench;
    CAPTURE(wrong.verdict);
    CAPTURE(wrong.length);
    REQUIRE(bench.wires.arrive(numbered(1)));
    bench.engine->poll();
    bench.handle([&](Words& words, uint32_t i, uint8_t*) {
      words.verdict[i] = wrong.verdict;
      words.length[i] = wrong.length;
      words.port = 77;
      words.count = 4000;
    });
    CHECK(bench.engine->poll() == 1);
    CHECK(bench.wires.sent(0).empty());
    CHECK(bench.count("drop_invalid") == 1);
  }
}

TEST_CASE("handler: frames without an Ethernet header never reach it") {
  Bench bench(1);
  for (size_t length = 0; length < kEthernetBytes; length++) REQUIRE(bench.wires.arrive(Wires::Frame(length, 1)));
  CHECK(bench.engine->poll() == kEthernetBytes);
  CHECK(bench.exchange->take() == -1);
  REQUIRE(bench.wires.arrive(Wires::Frame(13, 1)));
  REQUIRE(bench.wires.arrive(Wires::Frame(14, 7)));
  bench.engine->poll();
  CHECK(bench.handle([](Words& words, uint32_t i, uint8_t* frame) {
    CHECK(words.length[i] == 14);
    CHECK(frame[0] == 7);
  }) == 1);
  CHECK(bench.count("drop_short") == kEthernetBytes + 1);
  CHECK(bench.count("frames") == 1);
}

TEST_CASE("handler: a slow one leaves frames in the ring, and the thread may sleep") {
  Bench bench(1);
  uint32_t taken = 0;
  for (uint32_t i = 0; i < FrameExchange::kBursts; i++) {
    REQUIRE(bench.wires.arrive(numbered(static_cast<uint8_t>(i))));
    taken += bench.engine->poll();
  }
  CHECK(taken == FrameExchange::kBursts);
  CHECK_FALSE(bench.engine->receptive());
  REQUIRE(bench.wires.arrive(numbered(99)));
  for (int pass = 0; pass < 10; pass++) CHECK(bench.engine->poll() == 0);
  CHECK(bench.wires.port().pending());
  CHECK_FALSE(bench.engine->pending());
  CHECK(bench.count("full") == 1);
  CHECK(bench.count("in_hand") == FrameExchange::kBursts);

  bench.handle([](Words& words, uint32_t i, uint8_t*) { words.verdict[i] = 0; });
  CHECK(bench.engine->pending());
  CHECK(bench.engine->poll() == 2);  // one back, the waiting one in
  CHECK(bench.wires.sent().size() == 1);
  for (uint32_t i = 0; i < FrameExchange::kBursts; i++) bench.handle([](Words&, uint32_t, uint8_t*) {});
  bench.engine->poll();
  CHECK(bench.engine->receptive());
  CHECK(bench.count("given") == FrameExchange::kBursts + 1);
}

TEST_CASE("handler: decisions wait for room in the transmit ring, but not for ever") {
  Bench bench(1);
  auto reply = [](Words& words, uint32_t i, uint8_t*) { words.verdict[i] = 0; };
  // A ring has 64 entries: three bursts of 32 are one too many.
  auto decide_on_three = [&] {
    for (int burst = 0; burst < 3; burst++) {
      for (uint8_t i = 0; i < 32; i++) REQUIRE(bench.wires.arrive(numbered(i)));
      REQUIRE(bench.engine->poll() == 32);
    }
    for (int burst = 0; burst < 3; burst++) bench.handle(reply);
  };
  decide_on_three();
  CHECK(bench.engine->poll() == 64);
  CHECK(bench.engine->pending());
  CHECK(bench.engine->poll() == 0);
  CHECK(bench.wires.sent().size() == 64);
  CHECK(bench.engine->poll() == 32);
  CHECK(bench.wires.sent().size() == 32);
  CHECK(bench.wires.port().counters().tx_drop_full == 0);

  decide_on_three();
  REQUIRE(eventually([&] {
    bench.engine->poll();
    return !bench.engine->pending();
  }));
  CHECK(bench.wires.port().counters().tx_drop_full == 32);
  bench.wires.port().set_down();
  CHECK(bench.wires.port().transmit_room() == UINT32_MAX);
}

TEST_CASE("handler: a port that takes nothing holds up the other one once, and not before a frame is for it") {
  Bench bench(2);
  // A burst comes in by port 0 and is sent out by `port`; returns what the next pass moves.
  auto through = [&](int32_t port) {
    for (uint8_t i = 0; i < 32; i++) REQUIRE(bench.wires.arrive(numbered(i)));
    REQUIRE(bench.engine->poll() == 32);
    bench.handle([&](Words& words, uint32_t i, uint8_t*) { words.verdict[i] = port; });
    return bench.engine->poll();
  };
  CHECK(through(1) == 32);
  CHECK(through(1) == 32);  // its ring is full now
  CHECK(through(0) == 32);
  CHECK(through(FrameExchange::kDrop) == 32);
  CHECK(bench.wires.sent(0).size() == 32);
  CHECK(through(1) == 0);
  REQUIRE(eventually([&] {
    bench.engine->poll();
    return !bench.engine->pending();
  }));
  CHECK(bench.wires.port(1).counters().tx_drop_full == 32);
  CHECK(through(1) == 32);
  CHECK(through(0) == 32);
  CHECK(bench.wires.sent(0).size() == 32);
  CHECK(bench.wires.port(1).counters().tx_drop_full == 64);
  // With room again it is waited for again.
  CHECK(bench.wires.sent(1).size() == 64);
  CHECK(through(1) == 32);
  CHECK(through(1) == 32);
  CHECK(through(1) == 0);
  CHECK(bench.wires.sent(1).size() == 64);
  CHECK(bench.engine->poll() == 32);
  CHECK(bench.wires.port(1).counters().tx_drop_full == 64);
}

TEST_CASE("handler: every buffer comes back, over thousands of frames and all ways out") {
  Bench bench;
  uint32_t number = 0;
  for (int round = 0; round < 2000; round++) {
    for (int i = 0; i < round % 7; i++)
      bench.wires.arrive(numbered(static_cast<uint8_t>(i)), static_cast<size_t>(round % 2));
    bench.engine->poll();
    if (bench.exchange->take() >= 0) {
      bench.handle(
          [&](Words& words, uint32_t i, uint8_t*) { words.verdict[i] = static_cast<int32_t>(number++ % 4) - 1; },
          round % 11 == 0);
    }
    bench.engine->poll();
    bench.wires.sent(0);
    bench.wires.sent(1);
  }
  for (PortQueue* port : bench.wires.ports()) port->reclaim();
  CHECK(bench.count("in_hand") == 0);
  // What is not in the pool waits in the receive rings, less than a batch short of full.
  uint32_t posted = bench.wires.receive(0).available() + bench.wires.receive(1).available();
  CHECK(bench.wires.pool().available() + posted == 1200);
}

TEST_CASE("handler: a dataplane whose handler never answers sleeps, reports and stops") {
  SwitchFixture vswitch;
  std::string in = vswitch.add_port("in"), out = vswitch.add_port("out");
  auto exchange = std::make_shared<FrameExchange>();
  auto stuck = start_dataplane(in, HandlerOptions{exchange});
  TrafficOptions traffic;
  traffic.transmit = true;
  traffic.source_mac = mac(1);
  traffic.destination_mac = kMacMask;
  auto source = start_dataplane(out, traffic);
  REQUIRE(eventually([&] { return metric(stuck->report().engine, "full") >= 1; }));
  CHECK(metric(stuck->report().engine, "in_hand") == FrameExchange::kBursts);
  REQUIRE(eventually([&] { return vswitch.counter("in", Counter::rx_drop_no_buffer) > 0; }));

  // A handler that comes back to life goes on where it was.
  std::atomic<bool> stopping{false};
  std::thread late([&] {
    while (!stopping.load()) {
      if (exchange->take() >= 0) exchange->give(false);
    }
  });
  double decided = metric(stuck->report().engine, "drop_decided");
  CHECK(eventually([&] { return metric(stuck->report().engine, "drop_decided") > decided + 2000; }));
  stopping.store(true);
  late.join();
}

}  // namespace
}  // namespace usvhost::test
