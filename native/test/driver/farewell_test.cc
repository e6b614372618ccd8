// SPDX-License-Identifier: Apache-2.0
// The end of a driver: its back-end has stopped every ring and reset the device before the connection closes, and one that
// keeps silent, hangs up or lies holds nobody.
#include "driver/farewell.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "test/fake_back_end.h"
#include "vhost_user/message_table.h"

namespace usvhost::test {
namespace {

// No honest back-end needs so long, and eventually() gives up before.
constexpr uint32_t kPatient = 120'000;

/** A back-end with a driver whose link is up. */
struct Link {
  explicit Link(uint16_t pairs, uint32_t farewell_millis, uint64_t withheld = 0)
      : back_end(directory / "port"),
        driver(directory / "port", TrafficOptions{}, 5000, 64, false, pairs, farewell_millis) {
    back_end.withhold(withheld);
    REQUIRE(back_end.accept_one());
    REQUIRE(back_end.serve_until_up());
    REQUIRE(driver.told(""));
  }
  TemporaryDirectory directory;
  FakeBackEnd back_end;
  WatchedDataplane driver;
};

/** Stops a driver while the test plays its back-end. */
class Stopping {
 public:
  explicit Stopping(WatchedDataplane& driver)
      : thread_([this, &driver] {
          driver->stop();
          stopped_.store(true);
        }) {}
  ~Stopping() { thread_.join(); }
  bool stopped() const { return stopped_.load(); }

 private:
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

TEST_CASE("each ring is stopped, then the device is reset, in the words that were negotiated") {
  struct Case {
    const char* name;
    uint64_t withheld;
    std::optional<Request> reset;
  };
  constexpr uint64_t kStatus = feature_bit(kProtocolStatus), kReset = feature_bit(kProtocolResetDevice);
  for (const Case& back_end_has :
       {Case{"both", 0, Request::kSetStatus}, Case{"STATUS", kReset, Request::kSetStatus},
        Case{"RESET_DEVICE", kStatus, Request::kResetDevice}, Case{"neither", kStatus | kReset, {}}}) {
    for (bool acknowledges : {true, false}) {
      for (uint16_t pairs : {uint16_t{1}, uint16_t{3}}) {
        CAPTURE(back_end_has.name);
        CAPTURE(acknowledges);
        CAPTURE(pairs);
        Link link(pairs, kPatient, back_end_has.withheld | (acknowledges ? 0 : feature_bit(kProtocolReplyAck)));
        auto& [directory, back_end, driver] = link;
        Stopping stopping(driver);
        std::vector<Message> requests = back_end.serve_until_closed();
        for (uint16_t queue = 0; queue < 2 * pairs; queue++) {
          REQUIRE(requests.size() > queue);
          CHECK(requests[queue].header.request == static_cast<uint32_t>(Request::kGetVringBase));
          CHECK(requests[queue].payload.state.index == queue);
          CHECK_FALSE(back_end.queue(queue).active());
        }
        REQUIRE(requests.size() == 2u * pairs + (back_end_has.reset ? 1 : 0));
        if (back_end_has.reset) {
          const Message& last = requests.back();
          CHECK(last.header.request == static_cast<uint32_t>(*back_end_has.reset));
          CHECK(last.payload.number == 0);
          CHECK(((last.header.flags & kFlagNeedReply) != 0) == acknowledges);
        }
        CHECK(driver.events("USV") == 0);
      }
    }
  }
}

TEST_CASE("what the back-end delivers before it has stopped is received, and nothing is sent any more") {
  Link link(2, kPatient);
  auto& [directory, back_end, driver] = link;
  Stopping stopping(driver);
  const Message* message = back_end.next_request();
  REQUIRE(message != nullptr);
  CHECK(driver.counter("active_pairs") == 0);
  back_end.complete(kReceiveQueue, 0, back_end.ring(kReceiveQueue).avail->ring[0], 72);
  CHECK(eventually([&] { return driver.counter("rx_packets") == 1; }));
  REQUIRE(back_end.serve(*message));
  back_end.serve_until_closed();
}

TEST_CASE("a back-end that never answers, hangs up, refuses or lies holds nobody") {
  struct Case {
    const char* name;
    uint32_t farewell_millis;
    bool (*play)(FakeBackEnd&);
  };
  const Case cases[] = {
      {"silence", 20, [](FakeBackEnd&) { return true; }},
      {"half an answer", 20, [](FakeBackEnd& b) { return b.send_bytes("\x0b", 1); }},
      {"hangs up", kPatient,
       [](FakeBackEnd& b) {
         b.hang_up();
         return true;
       }},
      {"another request", kPatient, [](FakeBackEnd& b) { return b.answer(Request::kGetStatus, 0); }},
      {"another ring", kPatient, [](FakeBackEnd& b) { return b.answer(Request::kGetVringBase, 1); }},
      {"noise", kPatient,
       [](FakeBackEnd& b) {
         std::vector<uint8_t> noise(500, 0xa5);
         return b.send_bytes(noise.data(), noise.size());
       }},
      {"a refusal of the reset", kPatient,
       [](FakeBackEnd& b) {
         for (uint64_t ring = 0; ring < kQueues; ring++) {
           if (!b.answer(Request::kGetVringBase, ring) || b.next_request() == nullptr) return false;
         }
         return b.answer(Request::kSetStatus, 1);
       }},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    Link link(1, bad.farewell_millis);
    auto& [directory, back_end, driver] = link;
    Stopping stopping(driver);
    const Message* message = back_end.next_request();
    REQUIRE(message != nullptr);
    CHECK(message->header.request == static_cast<uint32_t>(Request::kGetVringBase));
    REQUIRE(bad.play(back_end));
    CHECK(eventually([&] { return stopping.stopped(); }));
    CHECK(driver.events("USV") == 0);
  }
}

/** A handshake of one pair with a back-end that has STATUS and acknowledges nothing. */
void shake_hands(FrontEnd& front_end) {
  OutgoingMessage out;
  while (front_end.next(out)) {
    if (!out.expects_reply) continue;
    Message answer{front_end.awaited(), {}};
    answer.payload.number = out.request == Request::kGetFeatures ? kFrontEndFeatures : feature_bit(kProtocolStatus);
    REQUIRE(front_end.reply(answer).ok());
  }
  REQUIRE(front_end.done());
}

TEST_CASE("the last words wait for room in the socket, and nobody waits for an answer to them") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  Fd back_end(ends[1]);
  Fd event(eventfd(0, EFD_CLOEXEC));
  FrontEndConfig config;
  config.memory_fd = event.get();
  FrontEnd front_end(config);
  shake_hands(front_end);
  MessageStream stream(Fd(ends[0]),
                       [&](const MessageHeader& header) { return check_reply_header(header, front_end.awaited()); });
  char unread[4096] = {};
  size_t before = 0;
  for (ssize_t more; (more = write(stream.fd(), unread, sizeof unread)) > 0;) before += static_cast<size_t>(more);
  // Answers that came before their questions were read, so that nothing but the socket holds the reset up.
  for (uint32_t ring = 0; ring < kQueues; ring++) {
    const uint32_t base[] = {static_cast<uint32_t>(Request::kGetVringBase), kFlagVersion | kFlagReply,
                             sizeof(VringState), ring, 0};
    REQUIRE(write(back_end.get(), base, sizeof base) == sizeof base);
  }
  front_end.leave();
  REQUIRE(eventually([&] {
    take_leave({{stream, front_end}}, 1);
    return front_end.left();
  }));
  CHECK(stream.wants_write());
  std::vector<uint8_t> heard;
  auto hear = [&] {
    for (ssize_t got; (got = read(back_end.get(), unread, sizeof unread)) > 0;) {
      heard.insert(heard.end(), unread, unread + got);
    }
  };
  hear();
  std::atomic<bool> stopped{false};
  std::thread leaving([&] {
    take_leave({{stream, front_end}}, kPatient);
    stopped.store(true);
  });
  CHECK(eventually([&] { return stopped.load(); }));
  hear();
  back_end.reset();
  leaving.join();
  constexpr size_t kWord = sizeof(MessageHeader) + sizeof(uint64_t);
  REQUIRE(heard.size() == before + (kQueues + 1) * kWord);
  MessageHeader last{};
  memcpy(&last, heard.data() + heard.size() - kWord, sizeof last);
  CHECK(last.request == static_cast<uint32_t>(Request::kSetStatus));
}

TEST_CASE("a back-end in the middle of the handshake hears of nothing but the end") {
  TemporaryDirectory directory;
  FakeBackEnd back_end(directory / "port");
  WatchedDataplane driver(directory / "port", TrafficOptions{}, 5000, 64, false, 1, kPatient);
  REQUIRE(back_end.accept_one());
  REQUIRE(back_end.next_request() != nullptr);
  Stopping stopping(driver);
  CHECK(back_end.serve_until_closed().empty());
}

TEST_CASE(
    "at our switch: the port is free at once and without an error, whoever listens, with one pair and with eight") {
  for (bool server : {false, true}) {
    for (uint16_t pairs : {uint16_t{1}, uint16_t{8}}) {
      CAPTURE(server);
      CAPTURE(pairs);
      SwitchFixture fixture;
      std::string path = server ? fixture.add_connecting_port("a") : fixture.add_port("a");
      for (uint32_t round = 1; round <= 3; round++) {
        WatchedDataplane driver(path, TrafficOptions{.transmit = true}, 5000, 64, server, pairs, kPatient);
        REQUIRE(driver.told(""));
        REQUIRE(eventually([&] { return fixture.in_state("a", PortState::kUp); }));
        driver->stop();
        // The rings stopped before the connection ended, which the switch may hear of later.
        CHECK_FALSE(fixture.in_state("a", PortState::kUp));
        CHECK(fixture.told("a", "the front-end disabled a ring"));
        CHECK(eventually([&] { return fixture.times_told("a", "the front-end disconnected") == round; }));
        CHECK(fixture.port("a").connections == round);
      }
      for (const char* code : {"USV_MESSAGE", "USV_RING", "USV_REGION", "USV_HANDSHAKE", "USV_PORT_BUSY"}) {
        CHECK_FALSE(fixture.told("a", code));
      }
    }
  }
}

}  // namespace
}  // namespace usvhost::test
