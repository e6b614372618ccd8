// SPDX-License-Identifier: Apache-2.0
// Ports of the driver that listen: back-ends that connect, leave, wait for their turn, keep silent or lie, and what lies in
// the place of the socket.
#include <sys/stat.h>

#include <fstream>

#include "test/fake_back_end.h"

namespace usvhost::test {
namespace {

WatchedDataplane listening(const std::string& path, uint32_t handshake_millis = 5000) {
  return WatchedDataplane(path, TrafficOptions{}, handshake_millis, 64, true);
}

TEST_CASE("the driver listens, serves one back-end after the other from empty rings on, and takes its socket away") {
  TemporaryDirectory directory;
  std::string path = directory / "port";
  {
    WatchedDataplane driver = listening(path);
    for (size_t i = 1; i <= 5; i++) {
      FakeBackEnd back_end;
      REQUIRE(back_end.connect_to_driver(path));
      REQUIRE(back_end.serve_until_up());
      REQUIRE(driver.told("", i));
      CHECK(back_end.offered(kReceiveQueue) == 64);
      CHECK(back_end.offered(kTransmitQueue) == 0);
      back_end.complete(kReceiveQueue, 0, back_end.ring(kReceiveQueue).avail->ring[0], 72);
      CHECK(eventually([&] { return driver.counter("rx_packets") == static_cast<double>(i); }));
      back_end.hang_up();
      REQUIRE(driver.told("USV_SWITCH_UNREACHABLE", i));
    }
    struct stat facts{};
    REQUIRE(stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0666);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a second back-end waits for its turn") {
  TemporaryDirectory directory;
  std::string path = directory / "port";
  WatchedDataplane driver = listening(path);
  FakeBackEnd first, second;
  REQUIRE(first.connect_to_driver(path));
  REQUIRE(first.serve_until_up());
  REQUIRE(second.connect_to_driver(path));
  CHECK(driver.told(""));
  CHECK(driver.events("") == 1);
  first.hang_up();
  REQUIRE(second.serve_until_up());
  CHECK(driver.told("", 2));
}

TEST_CASE("a back-end that keeps silent costs the deadline and no more") {
  TemporaryDirectory directory;
  WatchedDataplane driver = listening(directory / "port", 30);
  FakeBackEnd back_end;
  REQUIRE(back_end.connect_to_driver(directory / "port"));
  CHECK(driver.told("USV_HANDSHAKE"));
}

TEST_CASE("back-ends that hang up, refuse or break a ring; the next honest one is served") {
  TemporaryDirectory directory;
  std::string path = directory / "port";
  WatchedDataplane driver = listening(path);
  FakeBackEnd back_end;
  for (int i = 0; i < 20; i++) {
    REQUIRE(back_end.connect_to_driver(path));
    if (i % 2 == 0) REQUIRE(back_end.next_request() != nullptr);
    back_end.hang_up();
  }
  CHECK(driver.told("USV_SWITCH_UNREACHABLE"));
  REQUIRE(back_end.connect_to_driver(path));
  REQUIRE(back_end.next_request() != nullptr);
  REQUIRE(back_end.answer(Request::kGetFeatures, 0));
  CHECK(driver.told("USV_FEATURES"));
  REQUIRE(back_end.connect_to_driver(path));
  REQUIRE(back_end.next_request() != nullptr);
  REQUIRE(back_end.answer(Request::kSetOwner, 0));
  CHECK(driver.told("USV_MESSAGE"));
  REQUIRE(back_end.connect_to_driver(path));
  REQUIRE(back_end.serve_until_up());
  back_end.complete(kReceiveQueue, 0, 0xffff, 72);
  CHECK(driver.told("USV_RING"));
  REQUIRE(back_end.connect_to_driver(path));
  REQUIRE(back_end.serve_until_up());
  CHECK(driver.told("", 2));
}

TEST_CASE("a stale socket is replaced; a served one, another kind of file or no directory is told, and tried again") {
  TemporaryDirectory directory;
  std::string path = directory / "port";
  {
    Fd stale;
    REQUIRE(listen_on({path}, stale).ok());
  }
  FakeBackEnd back_end;
  {
    WatchedDataplane driver = listening(path);
    REQUIRE(back_end.connect_to_driver(path));
    REQUIRE(back_end.serve_until_up());
    WatchedDataplane second = listening(path);
    CHECK(second.told("USV_PORT_OCCUPIED"));
  }
  std::ofstream(directory / "file") << "precious";
  WatchedDataplane driver = listening(directory / "file");
  CHECK(driver.told("USV_PORT_OCCUPIED"));
  CHECK(std::filesystem::file_size(directory / "file") == 8);
  std::filesystem::remove(directory / "file");
  REQUIRE(back_end.connect_to_driver(directory / "file"));
  CHECK(back_end.serve_until_up());
  WatchedDataplane early = listening(directory / "later/port");
  CHECK(early.told("USV_IO"));
  std::filesystem::create_directory(directory / "later");
  REQUIRE(back_end.connect_to_driver(directory / "later/port"));
  CHECK(back_end.serve_until_up());
}

}  // namespace
}  // namespace usvhost::test
