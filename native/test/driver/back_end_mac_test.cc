// SPDX-License-Identifier: Apache-2.0
// The address that a back-end has for its driver: who asks for it, whose frames have it, and what becomes of a link without.
#include "engines/frames.h"
#include "test/engines/wires.h"
#include "test/fake_back_end.h"

namespace usvhost::test {
namespace {

DataplaneOptions wishing(const std::string& path, EngineOptions engine, BackEndMac wish) {
  DataplaneOptions options;
  options.ports.push_back({"p0", path, 64});
  options.ports.back().back_end_mac = wish;
  options.engine = std::move(engine);
  return options;
}

constexpr ConnectorOptions kConnector{1, 20, 5000, 60'000};

TEST_CASE("at our switch: the port's address is used where it was asked for, and only there") {
  for (BackEndMac wish : {BackEndMac::kIgnored, BackEndMac::kUsed, BackEndMac::kRequired}) {
    for (bool has : {true, false}) {
      CAPTURE(static_cast<int>(wish));
      CAPTURE(has);
      SwitchFixture fixture;
      fixture.add_port("a", has ? std::optional<MacAddress>(mac(1)) : std::nullopt);
      WatchedDataplane driver(wishing(fixture.socket("a"), TrafficOptions{}, wish), kConnector);
      if (wish == BackEndMac::kRequired && !has) {
        CHECK(driver.told("USV_FEATURES"));
        CHECK(driver.events("") == 0);
        continue;
      }
      REQUIRE(driver.told(""));
      bool taken = has && wish != BackEndMac::kIgnored;
      CHECK(driver.last_up().mac == (taken ? mac(1) : 0));
      CHECK(((fixture.port("a").features >> VIRTIO_NET_F_MAC) & 1) == (taken ? 1u : 0u));
    }
  }
}

TEST_CASE("frames have it as their source, so that the switch takes none of them for a forgery") {
  SwitchFixture fixture;
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  TrafficOptions traffic{.transmit = true, .limit = 100, .source_mac = mac(2), .destination_mac = mac(3)};
  for (BackEndMac wish : {BackEndMac::kUsed, BackEndMac::kIgnored}) {
    CAPTURE(static_cast<int>(wish));
    uint64_t before = fixture.counter("a", Counter::tx_drop_spoofed);
    uint64_t taken = fixture.counter("a", Counter::tx_packets);
    WatchedDataplane sender(wishing(fixture.socket("a"), traffic, wish), kConnector);
    REQUIRE(eventually([&] { return fixture.counter("a", Counter::tx_packets) - taken == 100; }));
    CHECK(fixture.counter("a", Counter::tx_drop_spoofed) - before == (wish == BackEndMac::kUsed ? 0 : 100));
  }
}

TEST_CASE("engines that answer, ask or rewrite: by its address, from the link on that told it") {
  constexpr uint64_t kFeatures = kRequiredFeatures | feature_bit(VIRTIO_NET_F_MAC);
  Wires wires;
  L2fwd l2fwd(wires.ports(), {false, mac(7), mac(2)});
  Responder responder(wires.port(), {mac(7), 0x0100000a});
  auto source_of = [&](Engine& engine, const Wires::Frame& frame) {
    REQUIRE(wires.arrive(frame));
    engine.poll();
    std::vector<Wires::Frame> sent = wires.sent();
    REQUIRE(sent.size() == 1);
    return load_mac(sent[0].data() + 6);
  };
  Wires::Frame request(60);
  REQUIRE(build_arp_request(request.data(), mac(3), 0x0200000a, 0x0100000a) == 60);
  MacAddress expected = mac(7);
  for (MacAddress told : {MacAddress{0}, mac(4), mac(5), MacAddress{0}}) {
    CAPTURE(told);
    wires.connect(0, told != 0 ? kFeatures : kRequiredFeatures, 0, told);
    l2fwd.connected();
    responder.connected();
    if (told != 0) expected = told;
    CHECK(source_of(l2fwd, request) == expected);
    CHECK(source_of(responder, request) == expected);
  }
}

}  // namespace
}  // namespace usvhost::test
