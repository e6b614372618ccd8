// SPDX-License-Identifier: Apache-2.0
// Ports that connect to pods that listen: pods that come late, go, hang up, keep silent, and put other things in the
// place of their socket. Canaries beside them go on.
#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "test/hostile_client.h"
#include "test/switch/canary.h"
#include "vhost_user/sockets.h"

namespace usvhost::test {
namespace {

/** A pod's listening socket, in the hands of an attacker. */
class HostileServer {
 public:
  explicit HostileServer(const std::string& path) : path_(path) {
    Status status = listen_on({path}, listener_);
    REQUIRE_MESSAGE(status.ok(), status.describe());
  }
  ~HostileServer() { unlink(path_.c_str()); }

  /** The switch's next connection. */
  Fd accept_one() {
    Fd socket;
    REQUIRE(eventually([&] {
      socket.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return static_cast<bool>(socket);
    }));
    return socket;
  }
  bool somebody_waits() {
    Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(socket);
  }

 private:
  std::string path_;
  Fd listener_;
};

TEST_CASE("a pod that listens later is found, and the reason is told once") {
  SwitchFixture fixture;
  std::string path = fixture.add_connecting_port("pod");
  REQUIRE(eventually([&] { return fixture.told("pod", "USV_SOCKET_MISSING"); }));
  CHECK(fixture.in_state("pod", PortState::kConnecting));
  CHECK(fixture.port("pod").last_error.find("USV_SOCKET_MISSING") == 0);
  for (size_t round = 1; round <= 3; round++) {
    HostileServer pod(path);
    HostileClient client(pod.accept_one());
    REQUIRE(client.handshake());
    REQUIRE(eventually([&] { return fixture.in_state("pod", PortState::kUp); }));
    CHECK(fixture.port("pod").connections == round);
    CHECK(fixture.times_told("pod", "USV_SOCKET_MISSING") == round);
    unlink(path.c_str());  // before the end, or the switch would be back at once
    client.hang_up();
    REQUIRE(eventually([&] { return fixture.times_told("pod", "disconnected") == round; }));
    REQUIRE(eventually([&] { return fixture.times_told("pod", "USV_SOCKET_MISSING") == round + 1; }));
  }
}

TEST_CASE("a driver that listens and a switch that connects: traffic both ways, and again after each other's end") {
  SwitchFixture fixture;
  std::string path = fixture.add_connecting_port("pod");
  fixture.add_port("peer");
  TrafficOptions traffic;
  traffic.transmit = traffic.verify = true;
  traffic.source_mac = mac(1);
  traffic.destination_mac = mac(2);
  auto source = start_dataplane(fixture.socket("peer"), traffic);
  auto flows = [&] {
    double before = metric(source->report().engine, "received");
    return eventually([&] { return metric(source->report().engine, "received") > before + 1000; });
  };
  auto echo = start_dataplane(path, L2fwdOptions{}, 256, true);
  CHECK(flows());
  REQUIRE(fixture->remove_port("pod"));
  CHECK(std::filesystem::exists(path));  // the pod's
  fixture.add_connecting_port("pod");
  CHECK(flows());
  echo.reset();
  CHECK_FALSE(std::filesystem::exists(path));
  echo = start_dataplane(path, L2fwdOptions{}, 256, true);
  CHECK(flows());
  CHECK(metric(source->report().engine, "corrupted") == 0);
}

TEST_CASE("what is not a socket is refused by name, and nothing behind it is touched") {
  SwitchFixture fixture;
  Canary canary(fixture);
  std::string path = fixture.socket("evil");
  // Where a link would lead: a socket that the switch itself serves.
  fixture.add_port("victim");
  using Placed = void (*)(const std::string&, const std::string&);
  const Placed places[] = {
      [](const std::string& at, const std::string& victim) { std::filesystem::create_symlink(victim, at); },
      [](const std::string& at, const std::string&) { std::ofstream(at) << "x"; },
      [](const std::string& at, const std::string&) { REQUIRE(mkfifo(at.c_str(), 0600) == 0); },
      [](const std::string& at, const std::string&) { std::filesystem::create_directory(at); },
      [](const std::string& at, const std::string&) { std::filesystem::create_symlink(at, at); },
  };
  size_t descriptors = open_descriptors();
  for (Placed place : places) {
    place(path, fixture.socket("victim"));
    fixture.add_connecting_port("evil");
    REQUIRE(eventually([&] { return fixture.port("evil").last_error.find("USV_PORT_OCCUPIED") == 0; }));
    CHECK(fixture.in_state("evil", PortState::kConnecting));
    REQUIRE(fixture->remove_port("evil"));
    std::filesystem::remove(path);
  }
  CHECK(fixture.port("victim").connections == 0);
  CHECK(open_descriptors() == descriptors);
  CHECK(canary.unharmed());
}

TEST_CASE("a pod that swaps its socket for a link between two looks never gets the switch to follow it") {
  SwitchFixture fixture;
  fixture.add_port("victim");
  std::string path = fixture.socket("evil"), real = path + ".real", next = path + ".next";
  HostileServer pod(real);
  std::filesystem::create_hard_link(real, path);
  for (int i = 0; i < 300; i++) {
    fixture.add_connecting_port("evil");  // the first attempt is under way
    for (int swaps = 0; swaps < 5; swaps++) {
      std::filesystem::create_symlink(fixture.socket("victim"), next);
      std::filesystem::rename(next, path);
      std::filesystem::create_hard_link(real, next);
      std::filesystem::rename(next, path);
    }
    pod.somebody_waits();  // accepts and hangs up
    REQUIRE(fixture->remove_port("evil"));
  }
  CHECK(fixture.port("victim").connections == 0);
  unlink(path.c_str());
}

TEST_CASE("a pod that accepts and hangs up, keeps silent or talks nonsense costs its port and no more") {
  SwitchOptions options;
  options.handshake_millis = 1000;
  SwitchFixture fixture(options);
  Canary canary(fixture);
  std::string path = fixture.add_connecting_port("evil");
  HostileServer pod(path);
  for (int i = 0; i < 5; i++) pod.accept_one();
  {
    Fd silent = pod.accept_one();
    REQUIRE(eventually([&] { return fixture.told("evil", "USV_HANDSHAKE"); }));
  }
  {
    HostileClient client(pod.accept_one());
    uint8_t half[6] = {1};
    REQUIRE(send_with_fds(client.socket(), half, sizeof half, {}) == sizeof half);
    CHECK(client.closed());
  }
  {
    HostileClient client(pod.accept_one());
    REQUIRE(client.send_number(static_cast<Request>(9999), 1));
    CHECK(client.closed());
    CHECK(eventually([&] { return fixture.told("evil", "USV_MESSAGE"); }));
  }
  {
    HostileClient client(pod.accept_one());
    REQUIRE(client.handshake());
    client.rings[kTransmitQueue].set_avail(1000);
    client.kick(kTransmitQueue);
    CHECK(client.closed());
    CHECK(eventually([&] { return fixture.told("evil", "USV_RING"); }));
  }
  // One connection at a time, also while the pod would take more.
  HostileClient client(pod.accept_one());
  REQUIRE(client.handshake());
  CHECK_FALSE(pod.somebody_waits());
  CHECK(canary.unharmed());
}

TEST_CASE("a pod whose backlog is full is tried again") {
  SwitchFixture fixture;
  std::string path = fixture.socket("pod");
  HostileServer pod(path);
  std::vector<Fd> waiting;
  do waiting.emplace_back();
  while (connect_to(path, waiting.back()).ok());
  fixture.add_connecting_port("pod");
  REQUIRE(eventually([&] { return fixture.told("pod", "USV_IO"); }));
  for (size_t i = 1; i < waiting.size(); i++) pod.accept_one();
  HostileClient client(pod.accept_one());
  CHECK(client.handshake());
}

}  // namespace
}  // namespace usvhost::test
