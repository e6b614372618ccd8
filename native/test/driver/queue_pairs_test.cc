// SPDX-License-Identifier: Apache-2.0
// A port with several queue pairs: what is agreed on with a back-end that has fewer, whose frames go where, how pairs rest and
// come back while the link is up, and that every frame is counted.
#include "test/fake_back_end.h"

namespace usvhost::test {
namespace {

constexpr uint16_t receive_queue(uint16_t pair) { return static_cast<uint16_t>(2 * pair + kReceiveQueue); }
constexpr uint16_t transmit_queue(uint16_t pair) { return static_cast<uint16_t>(2 * pair + kTransmitQueue); }

TrafficOptions sending(uint64_t limit) {
  TrafficOptions traffic;
  traffic.transmit = traffic.verify = true;
  traffic.limit = limit;
  traffic.source_mac = mac(1);
  traffic.destination_mac = mac(2);
  traffic.running = false;
  return traffic;
}

std::unique_ptr<Dataplane> start_pairs(const std::string& path, EngineOptions engine, uint16_t pairs,
                                       std::vector<int> cpus = {}, bool packed = false) {
  DataplaneOptions options;
  VirtioPortOptions port{"p0", path, 64};
  port.queue_pairs = pairs;
  port.packed = packed;
  options.ports.push_back(port);
  options.engine = std::move(engine);
  options.cpus = std::move(cpus);
  options.idle_micros = 20;
  auto dataplane = std::make_unique<Dataplane>(options, [](LinkEvent) {});
  Status status = dataplane->start();
  REQUIRE_MESSAGE(status.ok(), status.describe());
  return dataplane;
}

double counter(Dataplane& dataplane, const std::string& name) {
  return metric(dataplane.report().ports[0].counters, name);
}

std::string refusal(std::vector<uint16_t> pairs, EngineOptions engine) {
  DataplaneOptions options;
  for (uint16_t count : pairs) {
    options.ports.push_back({"p", "/nowhere", 64});
    options.ports.back().queue_pairs = count;
  }
  options.engine = std::move(engine);
  Dataplane dataplane(options, [](LinkEvent) {});
  Status status = dataplane.start();
  return status.ok() ? "ok" : status.code;
}

TEST_CASE("numbers of pairs that cannot be") {
  CHECK(refusal({0}, L2fwdOptions{}) == "USV_CONFIG");
  CHECK(refusal({9}, L2fwdOptions{}) == "USV_CONFIG");
  CHECK(refusal({2, 3}, L2fwdOptions{}) == "USV_CONFIG");
  CHECK(refusal({2}, PingOptions{}) == "USV_CONFIG");
  CHECK(refusal({2}, HandlerOptions{std::make_shared<FrameExchange>()}) == "USV_CONFIG");
  CHECK(refusal({8, 8}, L2fwdOptions{}) == "ok");
}

TEST_CASE("one to eight pairs at our switch and back: every frame is counted, each pair carries some") {
  for (uint16_t pairs : {uint16_t{1}, uint16_t{2}, uint16_t{3}, uint16_t{8}}) {
    for (bool packed : {false, true}) {
      for (bool one_thread : {false, true}) {
        CAPTURE(pairs);
        CAPTURE(packed);
        CAPTURE(one_thread);
        std::vector<int> cpus(one_thread ? 1 : 0, -1);
        SwitchFixture fixture;
        fixture.add_port("a", mac(1));
        fixture.add_port("b", mac(2));
        auto receiver = start_pairs(fixture.socket("b"), TrafficOptions{.verify = true}, pairs, cpus, packed);
        auto sender = start_pairs(fixture.socket("a"), sending(0), pairs, cpus, packed);
        REQUIRE(
            eventually([&] { return fixture.in_state("a", PortState::kUp) && fixture.in_state("b", PortState::kUp); }));
        CHECK(((fixture.port("a").features >> VIRTIO_NET_F_MQ) & 1) == (pairs > 1 ? 1u : 0u));
        sender->set_running(true);
        auto all_send = [&] {
          for (uint16_t pair = 0; pairs > 1 && pair < pairs; pair++) {
            if (counter(*sender, "tx_packets_q" + std::to_string(pair)) < 100) return false;
          }
          return counter(*sender, "tx_packets") >= 1000;
        };
        CHECK(eventually(all_send));
        sender->set_running(false);
        auto sent = [&] { return metric(sender->report().engine, "sent"); };
        auto arrived = [&] {
          CounterBlock at = fixture.port("a").counters;
          double lost = static_cast<double>(fixture.counter("b", Counter::rx_drop_no_buffer));
          return static_cast<double>(at.get(Counter::tx_packets)) == sent() &&
                 metric(receiver->report().engine, "received") + lost == sent();
        };
        CHECK(eventually(arrived));
        CHECK(metric(receiver->report().engine, "corrupted") == 0);
        CHECK(metric(receiver->report().engine, "foreign") == 0);
      }
    }
  }
}

TEST_CASE("threads: one for each pair, or one for each CPU that was given") {
  TemporaryDirectory directory;
  for (auto [cpus, threads] :
       {std::pair<std::vector<int>, size_t>{{}, 4}, {{-1}, 1}, {{-1, -1, -1}, 3}, {{-1, -1, -1, -1, -1}, 4}}) {
    size_t before = running_threads();
    {
      auto dataplane = start_pairs(directory / "nobody", L2fwdOptions{}, 4, cpus);
      CHECK(running_threads() == before + threads + 1);  // and the connector
    }
    CHECK(threads_ended(before));
  }
}

TEST_CASE("a back-end with fewer pairs gets no more, and what is sent goes by those it has") {
  struct Case {
    uint64_t told;
    uint16_t pairs;
  };
  for (auto [told, pairs] : {Case{1, 1}, Case{2, 2}, Case{3, 3}, Case{4, 4}, Case{5, 4}, Case{UINT64_MAX, 4}}) {
    CAPTURE(told);
    TemporaryDirectory directory;
    FakeBackEnd back_end(directory / "port");
    back_end.tell_queue_pairs(told);
    WatchedDataplane driver(directory / "port", sending(60), 5000, 64, false, 4);
    REQUIRE(back_end.accept_one());
    REQUIRE(back_end.serve_until_up());
    REQUIRE(driver.told(""));
    CHECK(driver.last_up().pairs == pairs);
    for (uint16_t queue = 0; queue < kMaxQueues; queue++) CHECK(back_end.queue(queue).active() == (queue < 2 * pairs));
    driver->set_running(true);
    auto offered = [&] {
      uint32_t sum = 0;
      for (uint16_t pair = 0; pair < pairs; pair++) sum += back_end.offered(transmit_queue(pair));
      return sum;
    };
    CHECK(eventually([&] { return offered() == 60; }));
    CHECK(eventually([&] { return metric(driver->report().engine, "sent") == 60; }));
  }
}

TEST_CASE("no pair at all is refused") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  back_end.tell_queue_pairs(0);
  WatchedDataplane driver(directory / "port", sending(1), 5000, 64, false, 4);
  REQUIRE(back_end.accept_one());
  for (const Message* message = back_end.next_request();; message = back_end.next_request()) {
    REQUIRE(message != nullptr);
    bool last = message->header.request == static_cast<uint32_t>(Request::kGetQueueNum);
    REQUIRE(back_end.serve(*message));
    if (last) break;
  }
  CHECK(driver.told("USV_FEATURES"));
  CHECK(driver.events("") == 0);
}

TEST_CASE(
    "a new connection finds every pair's rings empty and full of buffers, and garbage in any of them ends the link") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{}, 5000, 64, false, 3);
  for (uint16_t round = 0; round < 6; round++) {
    CAPTURE(round);
    REQUIRE(back_end.accept_one());
    REQUIRE(back_end.serve_until_up());
    REQUIRE(driver.told("", round + 1u));
    for (uint16_t pair = 0; pair < 3; pair++) {
      CHECK(back_end.offered(receive_queue(pair)) == 64);
      CHECK(back_end.offered(transmit_queue(pair)) == 0);
    }
    auto at = static_cast<uint16_t>(receive_queue(round % 3));
    back_end.complete(at, 0, back_end.ring(at).avail->ring[0], 72);
    CHECK(eventually([&] { return driver.counter("rx_packets") == round + 1; }));
    back_end.complete(at, 1, UINT32_MAX, 72);
    CHECK(driver.told("USV_RING", round + 1u));
  }
}

TEST_CASE(
    "pairs rest and come back while the link is up: their receive rings are switched off, what is in them arrives") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", sending(0), 5000, 64, false, 4);
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.serve_until_up());
  REQUIRE(driver.told(""));
  auto next_enables = [&](uint16_t pair, uint32_t value) {
    const Message* message = back_end.next_request();
    REQUIRE(message != nullptr);
    CHECK(message->header.request == static_cast<uint32_t>(Request::kSetVringEnable));
    CHECK(message->payload.state.index == receive_queue(pair));
    CHECK(message->payload.state.value == value);
    REQUIRE(back_end.serve(*message));
  };
  driver->set_active_pairs(2);
  next_enables(2, 0);
  next_enables(3, 0);
  // A frame that the back-end had already put there.
  uint16_t resting = receive_queue(3);
  back_end.complete(resting, 0, back_end.ring(resting).avail->ring[0], 72);
  CHECK(eventually([&] { return driver.counter("rx_packets_q3") == 1; }));
  CHECK(eventually([&] { return driver.counter("active_pairs") == 2; }));
  driver->set_running(true);
  REQUIRE(eventually(
      [&] { return back_end.offered(transmit_queue(0)) == 64 && back_end.offered(transmit_queue(1)) == 64; }));
  CHECK(back_end.offered(transmit_queue(2)) + back_end.offered(transmit_queue(3)) == 0);
  driver->set_active_pairs(0);  // one is the least
  next_enables(1, 0);
  driver->set_active_pairs(9);  // and what the link has is the most
  next_enables(1, 1);
  next_enables(2, 1);
  next_enables(3, 1);
  CHECK(eventually(
      [&] { return back_end.offered(transmit_queue(2)) == 64 && back_end.offered(transmit_queue(3)) == 64; }));
  CHECK(driver.events("USV") == 0);
}

TEST_CASE("a pair that rests sends nothing") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", sending(0), 5000, 64, false, 2);
  driver->set_active_pairs(1);  // before there is a link
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.serve_until_up());
  const Message* message = back_end.next_request();
  REQUIRE(message != nullptr);
  CHECK(message->payload.state.index == receive_queue(1));
  CHECK(message->payload.state.value == 0);
  REQUIRE(eventually([&] { return driver.counter("active_pairs") == 1; }));
  driver->set_running(true);
  REQUIRE(eventually([&] { return back_end.offered(transmit_queue(0)) == 64; }));
  for (uint16_t i = 0; i < 200; i++) {
    back_end.complete(transmit_queue(0), i, back_end.ring(transmit_queue(0)).avail->ring[i % 64], 0);
    REQUIRE(eventually([&] { return driver.counter("tx_packets_q0") == 65 + i; }));
  }
  CHECK(driver.counter("tx_packets_q1") == 0);
}

}  // namespace
}  // namespace usvhost::test
