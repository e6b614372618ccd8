// SPDX-License-Identifier: Apache-2.0
// Tap: the kernel of a network namespace of its own pings a pod through tap, driver, switch and back. Namespaces belong to
// threads, so all of it runs on a thread that ends with the test.
#include "engines/tap.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "engines/frames.h"
#include "test/engines/wires.h"
#include "test/network_namespace.h"

namespace usvhost::test {
namespace {

std::string refusal(TapOptions options) {
  Wires wires;
  Tap tap(wires.port(), std::move(options));
  Status status = tap.open();
  return status.ok() ? "ok" : status.code;
}

TEST_CASE("devices that cannot be attached") {
  CHECK(refusal({""}) == "USV_TAP");
  CHECK(refusal({"sixteen-bytes-xx"}) == "USV_TAP");
  CHECK(refusal({"usv-absent"}) == "USV_TAP");
  CHECK(refusal({"lo"}) == "USV_TAP");
  CHECK(refusal({"lo", "/dev/null"}) == "USV_TAP");
  CHECK(refusal({"lo", "/no/such/node"}) == "USV_TAP");
  in_namespace([] {
    REQUIRE(make_tap("one"));
    REQUIRE(make_tap("many", IFF_MULTI_QUEUE));
    CHECK(refusal({"one", "/dev/net/tun", true}) == "USV_TAP");
    CHECK(refusal({"many", "/dev/net/tun", false}) == "USV_TAP");
    CHECK(refusal({"one"}) == "ok");
    CHECK(refusal({"many", "/dev/net/tun", true}) == "ok");
    Wires wires;
    Tap first(wires.port(), {"one"}), second(wires.port(), {"one"});
    CHECK(first.open().ok());
    CHECK(std::string(second.open().code) == "USV_TAP");  // busy
  });
}

/** The address that the kernel has for an interface. */
MacAddress address_of(const char* device) {
  Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  REQUIRE(ioctl(control.get(), SIOCGIFHWADDR, &request) == 0);
  return load_mac(reinterpret_cast<const uint8_t*>(request.ifr_hwaddr.sa_data));
}

TEST_CASE(
    "a tap has the back-end's address from the link on that told it, also while it is up, and else keeps its own") {
  in_namespace([] {
    REQUIRE(make_tap("told"));
    Wires wires;
    Tap tap(wires.port(), {"told"});
    REQUIRE(tap.open().ok());
    MacAddress own = address_of("told");
    tap.connected();
    CHECK(address_of("told") == own);
    constexpr uint64_t kFeatures = kRequiredFeatures | feature_bit(VIRTIO_NET_F_MAC);
    wires.connect(0, kFeatures, 0, mac(7));
    tap.connected();
    CHECK(address_of("told") == mac(7));
    REQUIRE(bring_up("told", "10.0.4.1"));
    wires.connect(0, kFeatures, 0, mac(8));
    tap.connected();
    CHECK(address_of("told") == mac(8));
    wires.connect(0, kRequiredFeatures);
    tap.connected();
    CHECK(address_of("told") == mac(8));
    CHECK(metric(tap.report(), "tap_mac_refused") == 0);
    // What the kernel refuses is told.
    wires.connect(0, kFeatures, 0, 1);
    tap.connected();
    CHECK(address_of("told") == mac(8));
    CHECK(metric(tap.report(), "tap_mac_refused") == 1);
  });
}

TEST_CASE("frames of a tap that is down are counted, and no buffer is lost") {
  in_namespace([] {
    REQUIRE(make_tap("down"));
    Wires wires;
    Tap tap(wires.port(), {"down"});
    REQUIRE(tap.open().ok());
    for (int i = 0; i < 10; i++) REQUIRE(wires.arrive(Wires::Frame(60)));
    CHECK(tap.poll() == 10);
    CHECK(metric(tap.report(), "tap_drops") == 10);
    // Some are ready for what the kernel sends next.
    CHECK(wires.pool().available() + wires.receive().available() + ReadAhead::kBuffers == 400);
    CHECK_FALSE(tap.pending());
  });
}

/** The kernel sends a datagram through the tap with the address 10.0.5.1. */
void send_datagram() {
  Fd sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int yes = 1;
  REQUIRE(setsockopt(sender.get(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) == 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  inet_pton(AF_INET, "10.0.5.255", &to.sin_addr);
  REQUIRE(sendto(sender.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 1);
}

TEST_CASE(
    "an empty tap is left alone while its thread polls, unless a frame of the port comes, and is never slept over") {
  constexpr uint32_t kVeryLong = UINT32_MAX;
  in_namespace([] {
    REQUIRE(make_tap("rests"));
    Wires wires;
    Tap tap(wires.port(), {"rests", "/dev/net/tun", false, true, kVeryLong});
    REQUIRE(tap.open().ok());
    REQUIRE(bring_up("rests", "10.0.5.1"));
    tap.disarm();
    while (tap.poll() != 0) continue;
    send_datagram();
    CHECK(tap.poll() == 0);
    // The thread asks before it sleeps, and looks again when it does not, or is woken.
    CHECK(tap.pending());
    tap.disarm();
    CHECK(tap.poll() >= 1);
    while (tap.poll() != 0) continue;
    send_datagram();
    CHECK(tap.poll() == 0);
    REQUIRE(wires.arrive(Wires::Frame(60)));
    CHECK(tap.poll() >= 2);
  });
  in_namespace([] {
    REQUIRE(make_tap("usual"));
    Wires wires;
    Tap tap(wires.port(), {"usual"});
    REQUIRE(tap.open().ok());
    REQUIRE(bring_up("usual", "10.0.5.1"));
    while (tap.poll() != 0) continue;
    send_datagram();
    CHECK(eventually([&] { return tap.poll() != 0; }));
  });
}

TEST_CASE("the kernel pings a pod through the tap and the switch") {
  in_namespace([] {
    REQUIRE(make_tap("pod0"));
    SwitchFixture fixture;
    fixture.add_port("tap");
    fixture.add_port("pod", mac(2));
    auto responder = start_dataplane(fixture.socket("pod"), ResponderOptions{mac(2), 0x0202000a});
    auto tap = start_dataplane(fixture.socket("tap"), TapOptions{"pod0"});
    REQUIRE(
        eventually([&] { return fixture.in_state("tap", PortState::kUp) && fixture.in_state("pod", PortState::kUp); }));
    REQUIRE(bring_up("pod0", "10.0.2.1"));
    Fd ping(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    REQUIRE(ping);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    inet_pton(AF_INET, "10.0.2.2", &to.sin_addr);
    for (uint16_t sequence = 0; sequence < 20; sequence++) {
      std::vector<uint8_t> echo(1000, 0x42);
      memset(echo.data(), 0, 8);
      echo[0] = 8;
      store_be16(echo.data() + 6, sequence);
      store_be16(echo.data() + 2, internet_checksum(echo.data(), static_cast<uint32_t>(echo.size())));
      REQUIRE(sendto(ping.get(), echo.data(), echo.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) > 0);
      uint8_t packet[2048];
      ssize_t got = 0;
      pollfd readable{ping.get(), POLLIN, 0};
      REQUIRE(poll(&readable, 1, 10'000) == 1);
      got = recv(ping.get(), packet, sizeof packet, 0);
      REQUIRE(got == 20 + static_cast<ssize_t>(echo.size()));
      CHECK(packet[20] == 0);
      CHECK(load_be16(packet + 26) == sequence);
      CHECK(std::equal(packet + 28, packet + got, echo.begin() + 8));
    }
  });
}

}  // namespace
}  // namespace usvhost::test
