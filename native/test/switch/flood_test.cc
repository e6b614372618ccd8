// SPDX-License-Identifier: Apache-2.0
// What one port floods is copied to every other one of its network: the burst ends early, and the port's next turns pay for it, so that others
// are not kept waiting. Nothing is lost by that: what a burst has left is taken by a later one.
#include "test/offload/tcp_shapes.h"
#include "test/raw_packed_ring.h"
#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

constexpr MacAddress kBroadcast = 0xffff'ffff'ffff;

/** Pod 0 sends, by a ring of either kind, and eleven others receive. */
class Crowd {
 public:
  static constexpr uint16_t kPods = 12;

  explicit Crowd(bool packed, uint64_t offloads = 0) : table_(kPods), network_(64, 300, kPods), forwarder_(table_) {
    for (uint16_t i = 0; i < kPods; i++) {
      pods_.push_back(std::make_unique<Pod>(table_, network_, i));
      if (i != 0) pods_[i]->post(Pod::kSize);
    }
    if (packed) packed_.emplace();
    pods_[0]->negotiate(offloads);
    if (!packed) return;
    packed_->attach(pods_[0]->memory.at(0), Pod::kSize);
    pods_[0]->transmit_queue.attach(packed_->in(pods_[0]->memory), kPackedStart, offloads);
  }
  Pod& pod(uint16_t i) { return *pods_[i]; }
  uint32_t forward(uint16_t from = 0) { return forwarder_.forward(pods_[from]->runtime, 1); }
  uint64_t owed() const { return pods_[0]->runtime.owed; }

  /** `bytes` are of a header and a frame; the transmit buffer is that of its number. */
  void send(const std::vector<uint8_t>& bytes) {
    Pod& sender = *pods_[0];
    std::copy(bytes.begin(), bytes.end(), sender.transmit_buffer(sent_));
    auto length = static_cast<uint32_t>(bytes.size());
    if (packed_) {
      packed_->offer({{sender.transmit_address(sent_), length}}, sent_);
    } else {
      sender.transmit.describe(sent_, sender.transmit_address(sent_), length);
      sender.transmit.offer(sent_);
    }
    sent_++;
  }
  /** One to all, which can be told from the others by its last byte. */
  void flood(size_t length) {
    std::vector<uint8_t> bytes = frame(kBroadcast, mac(1), length);
    bytes.back() = static_cast<uint8_t>(sent_);
    bytes.insert(bytes.begin(), kHeaderBytes, 0);
    send(bytes);
  }
  /** Chains that came back, in order. */
  uint32_t given_back() {
    if (!packed_) return pods_[0]->transmit.used();
    while (std::optional<RawPackedRing::Used> used = packed_->take()) CHECK(used->id == came_++);
    return came_;
  }

 private:
  static constexpr uint32_t kPackedStart =
      0x8000'8000;  // SET_VRING_BASE of a new ring: entry 0 of the first lap, twice

  PortTable table_;
  Network network_;
  Forwarder forwarder_;
  std::vector<std::unique_ptr<Pod>> pods_;
  std::optional<RawPackedRing> packed_;
  uint16_t sent_ = 0;
  uint16_t came_ = 0;
};

TEST_CASE("a burst that floods ends after its copies; the rest of it is sent later, in order, and nothing twice") {
  for (bool packed : {false, true}) {
    CAPTURE(packed);
    Crowd crowd(packed);
    constexpr uint32_t kFrames = 60;
    for (uint32_t i = 0; i < kFrames; i++) crowd.flood(1500);
    uint32_t sent = 0;
    for (int turns = 0; sent < kFrames; turns++) {
      REQUIRE(turns < 20);
      uint32_t moved = crowd.forward();
      sent += moved;
      CHECK(moved < kBurst);
      // Never more than one frame beyond it.
      CHECK(crowd.owed() < kBurstBytes + 11 * 2048);
      CHECK(crowd.given_back() == sent);
      if (moved != 0 && crowd.owed() > kBurstBytes) CHECK(crowd.forward() == 0);
    }
    CHECK(crowd.pod(0).count(Counter::tx_packets) == kFrames);
    CHECK(crowd.pod(0).count(Counter::tx_flooded) == kFrames);
    CHECK(crowd.pod(0).drops() == 0);
    for (uint16_t i = 1; i < Crowd::kPods; i++) {
      REQUIRE(crowd.pod(i).receive.used() == kFrames);
      for (uint16_t k = 0; k < kFrames; k++) CHECK(crowd.pod(i).receive_buffer(k)[kHeaderBytes + 1499] == k);
    }
  }
}

TEST_CASE("a few frames to all, as when an address is asked for, cost no turn") {
  Crowd crowd(false);
  for (int i = 0; i < 32; i++) crowd.flood(60);
  CHECK(crowd.forward() == 32);
  CHECK(crowd.owed() == 32 * 11 * (60 + 256));
  crowd.flood(60);
  CHECK(crowd.forward() == 1);
}

TEST_CASE("the turns of a port that floods pay for it; another one's go on, and what is known costs nothing") {
  Crowd crowd(false, kOffloadFeatures);
  TcpSample sample = build({.data = 60'000});
  std::vector<uint8_t> addresses = frame(kBroadcast, mac(1), 12);
  std::copy(addresses.begin(), addresses.end(), sample.frame.begin());
  std::vector<uint8_t> bytes(kHeaderBytes);
  memcpy(bytes.data(), &sample.header, sizeof sample.header);
  bytes.insert(bytes.end(), sample.frame.begin(), sample.frame.end());
  crowd.send(bytes);
  CHECK(crowd.forward() == 1);
  const uint64_t cost = 11 * (sample.frame.size() + 256);
  CHECK(crowd.owed() == cost);
  crowd.flood(60);
  Pod& other = crowd.pod(1);
  uint32_t skipped = 0;
  for (; crowd.forward() == 0; skipped++) {
    REQUIRE(skipped < 10);
    other.send(frame(mac(1), mac(2)));
    CHECK(crowd.forward(1) == 1);
  }
  CHECK(skipped == (cost - 1) / kBurstBytes);
  CHECK(other.runtime.owed == 0);
}

TEST_CASE("a frame that a burst has left is judged when it is taken, and counted once") {
  Crowd crowd(false, kOffloadFeatures);
  for (int i = 0; i < 20; i++) crowd.flood(1500);
  std::vector<uint8_t> bad(kHeaderBytes, 0xff);
  std::vector<uint8_t> rest = frame(kBroadcast, mac(1));
  bad.insert(bad.end(), rest.begin(), rest.end());
  crowd.send(bad);
  REQUIRE(crowd.forward() < 20);
  CHECK(crowd.pod(0).drops() == 0);
  for (int turns = 0; crowd.given_back() < 21; turns++) {
    REQUIRE(turns < 10);
    crowd.forward();
  }
  CHECK(crowd.pod(0).drops() == 1);
  CHECK(crowd.pod(0).count(Counter::tx_packets) == 21);
}

}  // namespace
}  // namespace usvhost::test
