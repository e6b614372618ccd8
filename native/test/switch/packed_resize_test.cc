// SPDX-License-Identifier: Apache-2.0
// A front-end that stops a packed ring in the middle of traffic and starts it with another size: each frame comes whole or is
// counted as lost, and nothing is written into a ring that has stopped.
#include "engines/frames.h"
#include "test/packed_client.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr size_t kReceived = HostileClient::kData + 64 * 1024;  // behind the buffers of PackedClient::transmit()
constexpr uint16_t kPosted = 32;
constexpr uint32_t kLength = 200;
constexpr uint8_t kUntouched = 0xee;
// Sizes that are no power of two among them, and those with which each entry wraps.
constexpr uint16_t kSizes[] = {8, 255, 1, 100, 3, 64, 2};

/** The receive half of a client: buffers are posted in turn, and what comes is compared byte for byte. */
class Receiver {
 public:
  explicit Receiver(PackedClient& client) : client_(client) {}

  /** Posts as many buffers as ring and memory have room for. */
  void post() {
    RawPackedRing& ring = client_.packed[kReceiveQueue];
    for (; ring.room() != 0 && given_ - taken_ < kPosted; given_++) {
      memset(buffer(given_), kUntouched, 2048);
      ring.offer({{guest_address(buffer(given_)), 2048, VRING_DESC_F_WRITE}}, id(given_));
    }
  }
  /** Takes the next frame; false while there is none. */
  bool take() {
    std::optional<RawPackedRing::Used> used = client_.packed[kReceiveQueue].take();
    if (!used) return false;
    CHECK(used->id == id(taken_));
    CHECK(used->length == kHeaderBytes + kLength);
    uint64_t sequence = 0;
    CHECK(check_test_payload(buffer(taken_) + kHeaderBytes, kLength, sequence));
    CHECK((frames_ == 0 || sequence > sequence_));
    sequence_ = sequence;
    taken_++;
    frames_++;
    return true;
  }
  /** After the ring has stopped: takes what is in it, looks that no other buffer was written to, and begins anew. */
  void drain() {
    while (take()) {
    }
    for (uint64_t left = taken_; left < given_; left++) {
      CHECK(std::all_of(buffer(left), buffer(left) + 2048, [](uint8_t byte) { return byte == kUntouched; }));
    }
    CHECK_FALSE(take());
    given_ = taken_ = 0;
  }
  /** In this ring, and in all of them. */
  uint64_t taken() const { return taken_; }
  uint64_t frames() const { return frames_; }

 private:
  static constexpr uint32_t kHeaderBytes = 12;
  static uint16_t id(uint64_t number) { return static_cast<uint16_t>(number % kPosted); }
  uint8_t* buffer(uint64_t number) { return client_.at(kReceived + 2048u * id(number)); }

  PackedClient& client_;
  uint64_t given_ = 0;
  uint64_t taken_ = 0;
  uint64_t frames_ = 0;
  uint64_t sequence_ = 0;
};

/** Stops a ring; returns where it stood, nothing when the switch has hung up. */
std::optional<uint32_t> stop(PackedClient& client, uint16_t queue) {
  if (!client.send_state(Request::kGetVringBase, queue, 0)) return {};
  std::optional<Message> answer = client.receive();
  if (!answer) return {};
  return answer->payload.state.value;
}

/** Both halves of a base that stands behind so many entries. */
uint32_t base_after(const RawPackedRing& ring, uint64_t entries) {
  return ring.position(entries) | uint32_t{ring.position(entries)} << 16;
}

bool start(PackedClient& client, uint16_t queue, uint16_t size) {
  client.packed[queue].attach(client.at(size_t{queue} * 8192), size);
  return client.start(queue) && client.ready();
}

/** Frames that were lost between one port and another, under whatever name. */
uint64_t lost(SwitchFixture& fixture, const std::string& from, const std::string& to) {
  uint64_t sum = 0;
  for (const CounterName& entry : kCounterNames) {
    std::string name = entry.name;
    if (name.find("tx_drop") == 0) sum += fixture.counter(from, entry.counter);
    if (name.find("rx_drop") == 0) sum += fixture.counter(to, entry.counter);
  }
  return sum;
}

TEST_CASE("a packed ring is resized in the middle of traffic: no frame is corrupted, each is there or counted") {
  SwitchFixture fixture;
  fixture.add_port("a", mac(1));
  fixture.add_port("b", mac(2));
  PackedClient client(fixture.socket("b"), 16);
  REQUIRE(client.begin());
  REQUIRE(client.start(kReceiveQueue));
  REQUIRE(client.start(kTransmitQueue));
  REQUIRE(client.ready());
  TrafficOptions traffic;
  traffic.transmit = traffic.verify = true;
  traffic.size = kLength;
  traffic.source_mac = mac(1);
  traffic.destination_mac = mac(2);
  auto source = start_dataplane(fixture.socket("a"), traffic);
  Receiver receiver(client);
  uint32_t sent = 0;
  for (uint16_t size : kSizes) {
    CAPTURE(size);
    // Buffers lie in the ring when it is stopped, some of them used and some not.
    receiver.post();
    std::optional<uint32_t> base = stop(client, kReceiveQueue);
    REQUIRE(base.has_value());
    while (receiver.take()) {
    }
    CHECK(*base == base_after(client.packed[kReceiveQueue], receiver.taken()));
    // Buffers for more than one burst of frames, which come and are lost.
    receiver.post();
    uint64_t before = lost(fixture, "a", "b");
    REQUIRE(eventually([&] { return lost(fixture, "a", "b") > before + 64; }));
    CHECK_FALSE(receiver.take());
    receiver.drain();
    REQUIRE(start(client, kReceiveQueue, size));
    // Three times around, so that the new size is where the wrap counters turn.
    REQUIRE(eventually([&] {
      receiver.post();
      receiver.take();
      return receiver.taken() >= 3u * size;
    }));

    base = stop(client, kTransmitQueue);
    REQUIRE(base.has_value());
    CHECK(*base == base_after(client.packed[kTransmitQueue], sent));
    REQUIRE(start(client, kTransmitQueue, size));
    uint64_t taken = fixture.counter("b", Counter::tx_packets);
    for (sent = 0; sent < 3u * size; sent++) {
      client.transmit(sent);
      REQUIRE(eventually([&] { return client.packed[kTransmitQueue].take().has_value(); }));
    }
    CHECK(fixture.counter("b", Counter::tx_packets) == taken + sent);
  }
  source->set_running(false);
  auto complete = [&] {
    receiver.take();
    double all = metric(source->report().engine, "sent");
    return static_cast<double>(fixture.counter("a", Counter::tx_packets)) == all &&
           static_cast<double>(receiver.frames() + lost(fixture, "a", "b")) == all;
  };
  CHECK(eventually(complete));
  CHECK(fixture.counter("b", Counter::rx_packets) == receiver.frames());
  CHECK(fixture.in_state("b", PortState::kUp));
  CHECK(fixture.port("b").connections == 1);
}

TEST_CASE("a packed ring keeps its size while it runs, and is refused one that is none") {
  SwitchFixture fixture;
  fixture.add_port("b", mac(2));
  PackedClient client(fixture.socket("b"));
  REQUIRE(client.begin());
  REQUIRE(client.start(kReceiveQueue));
  SUBCASE("while it runs") { REQUIRE(client.send_state(Request::kSetVringNum, kReceiveQueue, 128)); }
  SUBCASE("none") {
    REQUIRE(stop(client, kReceiveQueue).has_value());
    REQUIRE(client.send_state(Request::kSetVringNum, kReceiveQueue, 4097));
  }
  SUBCASE("a position of the old size behind the end of the new one") {
    REQUIRE(stop(client, kReceiveQueue).has_value());
    client.packed[kReceiveQueue].attach(client.at(0), 8);
    REQUIRE(client.start(kReceiveQueue, 0x8008'8008));
  }
  CHECK(client.closed());
  CHECK(eventually([&] { return fixture.told("b", "USV_MESSAGE"); }));
}

}  // namespace
}  // namespace usvhost::test
