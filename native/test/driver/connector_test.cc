// SPDX-License-Identifier: Apache-2.0
// Connector: back-ends that come late, die, hang up, keep silent, refuse or lie. The driver says why, and tries again.
#include "driver/connector.h"

#include "test/fake_back_end.h"

namespace usvhost::test {
namespace {

TEST_CASE("a back-end that appears later is found, and the reason is told once") {
  TemporaryDirectory directory;
  WatchedDataplane driver(directory / "late", TrafficOptions{});
  REQUIRE(driver.told("USV_SOCKET_MISSING"));
  FakeBackEnd back_end(directory / "late");
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.serve_until_up());
  CHECK(driver.told(""));
  CHECK(driver.events("USV_SOCKET_MISSING") == 1);
}

TEST_CASE("a path that cannot be a socket's") {
  WatchedDataplane driver("/tmp/" + std::string(200, 'x'), TrafficOptions{});
  CHECK(driver.told("USV_SOCKET_PATH"));
}

TEST_CASE("a back-end that dies is told, and the next one is used from empty rings on") {
  TemporaryDirectory directory;
  auto back_end = std::make_unique<FakeBackEnd>(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{});
  for (size_t i = 1; i <= 5; i++) {
    REQUIRE(back_end->accept_one());
    REQUIRE(back_end->serve_until_up());
    REQUIRE(driver.told("", i));
    CHECK(back_end->offered(kReceiveQueue) == 64);
    CHECK(back_end->offered(kTransmitQueue) == 0);
    back_end->complete(kReceiveQueue, 0, back_end->ring(kReceiveQueue).avail->ring[0], 72);
    CHECK(eventually([&] { return driver.counter("rx_packets") == static_cast<double>(i); }));
    if (i % 2 == 0) back_end = nullptr;  // the whole process, socket and all
    if (back_end) back_end->hang_up();
    REQUIRE(driver.told("USV_SWITCH_UNREACHABLE", i));
    if (!back_end) back_end = std::make_unique<FakeBackEnd>(directory / "port");
  }
}

TEST_CASE("a back-end that hangs up in the handshake, after each message") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{});
  for (int i = 0; i < 30; i++) {
    REQUIRE(back_end.accept_one());
    // Now and then the driver has sent its question already, now and then it runs into the end with it.
    if (i % 2 == 0) REQUIRE(back_end.next_request() != nullptr);
    back_end.hang_up();
  }
  CHECK(driver.told("USV_PORT_BUSY"));
  CHECK(driver.events("USV_IO") == 0);
  for (int answers = 1; answers < 4; answers++) {
    REQUIRE(back_end.accept_one());
    REQUIRE(back_end.next_request() != nullptr);
    REQUIRE(back_end.answer(Request::kGetFeatures, kFrontEndFeatures));
    if (answers > 1) {
      REQUIRE(back_end.next_request() != nullptr);
      REQUIRE(back_end.answer(Request::kGetProtocolFeatures, kSupportedProtocolFeatures));
    }
    if (answers > 2) {
      REQUIRE(back_end.next_request() != nullptr);  // SET_PROTOCOL_FEATURES
      REQUIRE(back_end.next_request() != nullptr);
      REQUIRE(back_end.answer(Request::kGetQueueNum, 1));
    }
    back_end.hang_up();
  }
  REQUIRE(back_end.accept_one());
  CHECK(back_end.serve_until_up());
  CHECK(driver.told(""));
}

TEST_CASE("a back-end that never answers costs the deadline and no more") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{}, 300);
  REQUIRE(back_end.accept_one());
  CHECK(driver.told("USV_HANDSHAKE"));
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.next_request() != nullptr);
  uint8_t half[5] = {1, 0, 0, 0, 5};  // half an answer is no answer
  REQUIRE(back_end.send_bytes(half, sizeof half));
  REQUIRE(back_end.accept_one());
}

TEST_CASE("answers that are none") {
  struct Case {
    const char* name;
    const char* code;
    void (*reply)(FakeBackEnd&);
  };
  const Case cases[] = {
      {"another request", "USV_MESSAGE", [](FakeBackEnd& b) { b.answer(Request::kGetStatus, kFrontEndFeatures); }},
      {"no reply flag", "USV_MESSAGE", [](FakeBackEnd& b) { b.answer(Request::kGetFeatures, kFrontEndFeatures, 0); }},
      {"too long", "USV_MESSAGE",
       [](FakeBackEnd& b) {
         uint32_t words[] = {1, kFlagVersion | kFlagReply, 0xffff};
         b.send_bytes(words, sizeof words);
       }},
      {"noise", "USV_MESSAGE",
       [](FakeBackEnd& b) {
         std::vector<uint8_t> noise(500, 0xa5);
         b.send_bytes(noise.data(), noise.size());
       }},
      {"no VERSION_1", "USV_FEATURES", [](FakeBackEnd& b) { b.answer(Request::kGetFeatures, 0); }},
      {"two answers", "USV_MESSAGE",
       [](FakeBackEnd& b) {
         b.answer(Request::kGetFeatures, kFrontEndFeatures);
         b.answer(Request::kGetFeatures, kFrontEndFeatures);
       }},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    TemporaryDirectory directory;
    FakeBackEnd back_end(directory / "port");
    WatchedDataplane driver(directory / "port", TrafficOptions{});
    REQUIRE(back_end.accept_one());
    REQUIRE(back_end.next_request() != nullptr);
    bad.reply(back_end);
    CHECK(driver.told(bad.code));
    REQUIRE(back_end.accept_one());
    CHECK(back_end.serve_until_up());
  }
}

TEST_CASE("a back-end that refuses the memory") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{});
  REQUIRE(back_end.accept_one());
  for (;;) {
    const Message* message = back_end.next_request();
    REQUIRE(message != nullptr);
    auto request = static_cast<Request>(message->header.request);
    if (request == Request::kGetFeatures) back_end.answer(request, kFrontEndFeatures);
    if (request == Request::kGetProtocolFeatures) back_end.answer(request, kSupportedProtocolFeatures);
    if (request == Request::kGetQueueNum) back_end.answer(request, 1);
    if (request != Request::kSetMemTable) continue;
    CHECK((message->header.flags & kFlagNeedReply) != 0);
    back_end.answer(request, 1);
    break;
  }
  CHECK(driver.told("USV_MESSAGE"));
  CHECK(driver.events("") == 0);
}

TEST_CASE("garbage in a used ring ends the link, the next connection starts clean, no buffer is lost") {
  struct Case {
    const char* name;
    void (*run)(FakeBackEnd&);
  };
  const Case cases[] = {
      {"id beyond the queue", [](FakeBackEnd& b) { b.complete(kReceiveQueue, 0, 64, 100); }},
      {"id of 2^32 - 1", [](FakeBackEnd& b) { b.complete(kReceiveQueue, 0, UINT32_MAX, 100); }},
      {"the same id twice",
       [](FakeBackEnd& b) {
         b.complete(kReceiveQueue, 0, b.ring(kReceiveQueue).avail->ring[0], 100);
         b.complete(kReceiveQueue, 1, b.ring(kReceiveQueue).avail->ring[0], 100);
       }},
      {"index far ahead", [](FakeBackEnd& b) { b.complete(kReceiveQueue, 5000, 0, 100); }},
      {"index of the transmit ring", [](FakeBackEnd& b) { b.complete(kTransmitQueue, 500, 0, 0); }},
  };
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  TrafficOptions traffic;
  traffic.transmit = true;  // an idle sender would not look at its transmit ring
  traffic.running = false;
  WatchedDataplane driver(directory / "port", traffic);
  size_t rounds = 0;
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    REQUIRE(back_end.accept_one());
    REQUIRE(back_end.serve_until_up());
    REQUIRE(driver.told("", ++rounds));
    CHECK(back_end.offered(kReceiveQueue) == 64);
    driver->set_running(true);
    bad.run(back_end);
    CHECK(driver.told("USV_RING", rounds));
    driver->set_running(false);
  }
}

TEST_CASE("lengths that the back-end cannot have written are dropped, and the link stays") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{});
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.serve_until_up());
  uint16_t index = 0;
  for (uint32_t length : {0u, 1u, 11u, kHeaderBytes + kPayloadCapacity + 1, 65536u, UINT32_MAX}) {
    back_end.complete(kReceiveQueue, index, back_end.ring(kReceiveQueue).avail->ring[index], length);
    index++;
  }
  CHECK(eventually([&] { return driver.counter("rx_drop_length") == 6; }));
  for (uint32_t length : {kHeaderBytes, kHeaderBytes + kPayloadCapacity}) {
    back_end.complete(kReceiveQueue, index, back_end.ring(kReceiveQueue).avail->ring[index], length);
    index++;
  }
  CHECK(eventually([&] { return driver.counter("rx_packets") == 2; }));
  CHECK(driver.counter("rx_drop_length") == 6);
  CHECK(driver.events("USV_RING") == 0);
}

TEST_CASE("frames that were completed are not lost when the link ends, only the others are") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  TrafficOptions traffic;
  traffic.transmit = true;
  traffic.limit = 10;
  WatchedDataplane driver(directory / "port", traffic);
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.serve_until_up());
  REQUIRE(eventually([&] { return back_end.offered(kTransmitQueue) == 10; }));
  for (uint16_t i = 0; i < 7; i++) {
    back_end.complete(kTransmitQueue, i, back_end.ring(kTransmitQueue).avail->ring[i], 0);
  }
  back_end.hang_up();
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.serve_until_up());
  CHECK(driver.counter("tx_lost") == 3);
  CHECK(driver.counter("tx_packets") == 10);
}

}  // namespace
}  // namespace usvhost::test
