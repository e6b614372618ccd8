// SPDX-License-Identifier: Apache-2.0
// Frames of several buffers: joined from what a back-end used, sent as a chain or a table, and what a back-end says of them
// that cannot be.
#include <random>

#include "engines/l2fwd.h"
#include "test/engines/wires.h"

namespace usvhost::test {
namespace {

using Frame = Wires::Frame;
constexpr uint64_t kMergeable = kRequiredFeatures | feature_bit(VIRTIO_NET_F_MRG_RXBUF);
constexpr uint64_t kIndirect = feature_bit(VIRTIO_RING_F_INDIRECT_DESC);

Frame random_frame(std::mt19937& random, size_t length) {
  Frame frame(length);
  for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random());
  return frame;
}

/** As a back-end fills buffers: each to its end. */
std::vector<Frame> parts_of(const Frame& frame) {
  std::vector<Frame> parts;
  for (size_t at = 0; at < frame.size();) {
    size_t room = parts.empty() ? kPayloadCapacity : kBufferBytes;
    size_t here = std::min(room, frame.size() - at);
    parts.emplace_back(frame.begin() + static_cast<long>(at), frame.begin() + static_cast<long>(at + here));
    at += here;
  }
  return parts;
}

Frame joined(const std::vector<Frame>& parts) {
  Frame all;
  for (const Frame& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST_CASE("buffers of a length: what is posted, to the byte") {
  CHECK(buffers_of(60) == 1);
  CHECK(buffers_of(kPayloadCapacity) == 1);
  CHECK(buffers_of(kPayloadCapacity + 1) == 2);
  CHECK(buffers_of(kPayloadCapacity + kBufferBytes) == 2);
  CHECK(buffers_of(kPayloadCapacity + kBufferBytes + 1) == 3);
  CHECK(buffers_of(kMaxFrameBytes) == kFewestBuffersOfLargest);
}

TEST_CASE("frames of every length come whole out of the buffers that they took") {
  std::mt19937 random(1);
  Wires wires(1, 400, Wires::kSize, kMergeable);
  for (size_t length : {size_t{60}, size_t{1514}, size_t{2048}, size_t{2049}, size_t{4108}, size_t{4109}, size_t{9018},
                        size_t{65'550}, size_t{kMaxFrameBytes}}) {
    CAPTURE(length);
    Frame frame = random_frame(random, length);
    std::vector<Frame> parts = parts_of(frame);
    for (int lap = 0; lap < 5; lap++) {
      REQUIRE(wires.arrive_in_parts(parts, static_cast<uint16_t>(parts.size())));
      REQUIRE(wires.arrive_in_parts({random_frame(random, 60)}, 1));
      Packet out[8];
      // So many buffers are looked at in one call, and the rest of a frame with them.
      uint32_t count = wires.port().receive(out, 8);
      if (count == 1) count += wires.port().receive(out + 1, 7);
      REQUIRE(count == 2);
      CHECK(out[0].length == length);
      CHECK(out[0].chained() == (length > 2048));
      CHECK(wires.taken(out[0]) == frame);
      CHECK(wires.taken(out[1]).size() == 60);
    }
  }
  CHECK(wires.port().counters().rx_packets == 90);
  CHECK(wires.port().counters().rx_drop_length == 0);
  CHECK(wires.pool().available() + wires.receive().available() == 400);
}

TEST_CASE("a back-end that does not fill its buffers is understood") {
  std::mt19937 random(2);
  Wires wires(1, 400, Wires::kSize, kMergeable);
  std::vector<Frame> parts;
  for (size_t length : {14u, 1u, 700u, 2060u, 3u}) parts.push_back(random_frame(random, length));
  REQUIRE(wires.arrive_in_parts(parts, 5));
  Packet out[2];
  REQUIRE(wires.port().receive(out, 2) == 1);
  CHECK(wires.taken(out[0]) == joined(parts));
}

TEST_CASE("what a back-end says of buffers and lengths that cannot be costs that frame, and no buffer") {
  struct Lie {
    const char* name;
    size_t parts;
    uint16_t said;
    std::vector<uint32_t> lengths;
    uint64_t by_buffers, by_length;
  };
  const std::vector<uint32_t> full{2060, 2060, 2060};
  const Lie lies[] = {
      {"no buffers", 1, 0, {72}, 1, 0},
      {"more than were used", 2, 3, {2060, 2060}, 1, 0},
      {"65535 buffers", 3, 0xffff, full, 1, 0},
      {"a first one shorter than its header", 1, 1, {11}, 0, 1},
      {"a first one without both addresses", 2, 2, {25, 2060}, 0, 1},
      {"an empty second one", 2, 2, {2060, 0}, 0, 1},
      {"a first one longer than posted", 1, 1, {2061}, 0, 1},
      {"a second one longer than posted", 2, 2, {2060, 2061}, 0, 1},
      {"a length that wraps with the others", 3, 3, {2060, UINT32_MAX, 2060}, 0, 1},
  };
  for (const Lie& lie : lies) {
    CAPTURE(lie.name);
    Wires wires(1, 400, Wires::kSize, kMergeable);
    REQUIRE(wires.arrive_in_parts(std::vector<Frame>(lie.parts, Frame(60)), lie.said, lie.lengths));
    Packet out[8];
    CHECK(wires.port().receive(out, 8) == 0);
    CHECK(wires.port().counters().rx_drop_buffers == lie.by_buffers);
    CHECK(wires.port().counters().rx_drop_length == lie.by_length);
    CHECK(wires.port().counters().rx_packets == 0);
    CHECK(wires.pool().available() + wires.receive().available() == 400);
    // The next frame is received.
    REQUIRE(wires.arrive_in_parts({Frame(60)}, 1));
    CHECK(wires.port().receive(out, 8) == 1);
    CHECK_FALSE(wires.port().broken());
  }
}

TEST_CASE("a frame is at most as long and of as many buffers as one can be") {
  std::mt19937 random(3);
  Wires wires(1, 600, 256, kMergeable);
  Packet out[8];
  std::vector<Frame> many(kMaxFrameBuffers + 1, Frame(14));
  REQUIRE(wires.arrive_in_parts(many, static_cast<uint16_t>(many.size())));
  CHECK(wires.port().receive(out, 8) == 0);
  CHECK(wires.port().counters().rx_drop_buffers == 1);
  many.pop_back();
  REQUIRE(wires.arrive_in_parts(many, static_cast<uint16_t>(many.size())));
  REQUIRE(wires.port().receive(out, 8) == 1);
  CHECK(wires.taken(out[0]).size() == 14u * kMaxFrameBuffers);
  std::vector<Frame> parts = parts_of(random_frame(random, kMaxFrameBytes + 1));
  REQUIRE(wires.arrive_in_parts(parts, static_cast<uint16_t>(parts.size())));
  CHECK(wires.port().receive(out, 8) == 0);
  CHECK(wires.port().counters().rx_drop_length == 1);
  CHECK(wires.pool().available() + wires.receive().available() == 600);
}

TEST_CASE("frames of several buffers are forwarded whole, as chains or tables, and no buffer is lost") {
  for (uint64_t features : {kMergeable, kMergeable | kIndirect, kMergeable | feature_bit(VIRTIO_F_IN_ORDER)}) {
    CAPTURE(features);
    std::mt19937 random(4);
    Wires wires(1, 400, Wires::kSize, features);
    L2fwd forward(wires.ports(), {true, 0, 0});
    for (int round = 0; round < 200; round++) {
      std::vector<Frame> expected;
      for (uint32_t n = random() % 4; n != 0; n--) {
        Frame frame = random_frame(random, random() % 3 == 0 ? 60 : 60 + random() % 9000);
        std::vector<Frame> parts = parts_of(frame);
        REQUIRE(wires.arrive_in_parts(parts, static_cast<uint16_t>(parts.size())));
        std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
        expected.push_back(std::move(frame));
      }
      forward.poll();
      CHECK(wires.sent() == expected);
    }
    wires.port().reclaim();
    CHECK(wires.pool().available() + wires.receive().available() == 400);
  }
}

/** A frame of so many bytes, joined from buffers of the pool. */
Packet frame_to_send(Wires& wires, uint32_t length) {
  uint32_t buffers[kFewestBuffersOfLargest];
  REQUIRE(wires.pool().take(buffers, buffers_of(length)) == buffers_of(length));
  return join_buffers(wires.pool(), buffers, length);
}

TEST_CASE("a chain that does not fit now waits, one that never fits is dropped and counted") {
  Wires wires(1, 400, 4);
  Packet small = frame_to_send(wires, 60);
  Packet three = frame_to_send(wires, 5000), again = frame_to_send(wires, 5000);
  Packet five = frame_to_send(wires, 9000);
  REQUIRE(wires.port().transmit(&small, 1) == 1);
  REQUIRE(wires.port().transmit(&three, 1) == 1);
  CHECK(wires.port().transmit(&again, 1) == 0);
  CHECK(wires.sent().size() == 2);
  CHECK(wires.port().transmit(&again, 1) == 1);
  CHECK(wires.sent().size() == 1);
  CHECK(wires.port().transmit(&five, 1) == 1);
  CHECK(wires.port().counters().tx_drop_long == 1);
  CHECK(wires.port().counters().tx_packets == 3);
  CHECK(wires.sent().empty());
  wires.port().reclaim();
  CHECK(wires.pool().available() == 396);
}

TEST_CASE("a table takes one entry and one buffer, and without a free buffer the frame is a chain") {
  Wires wires(1, 70, 64, kRequiredFeatures | kIndirect);
  Packet first = frame_to_send(wires, 5000), second = frame_to_send(wires, 2100);
  REQUIRE(wires.pool().available() == 1);
  REQUIRE(wires.port().transmit(&first, 1) == 1);
  CHECK(wires.pool().available() == 0);
  CHECK(wires.port().transmit_room() == 63);
  REQUIRE(wires.port().transmit(&second, 1) == 1);
  CHECK(wires.port().transmit_room() == 61);
  std::vector<Frame> sent = wires.sent();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].size() == 5000);
  CHECK(sent[1].size() == 2100);
  wires.port().reclaim();
  CHECK(wires.pool().available() == 6);
}

TEST_CASE("frames of several buffers that a dead back-end had count once each as lost, and all buffers come home") {
  for (uint64_t features : {kMergeable, kMergeable | kIndirect}) {
    Wires wires(1, 400, Wires::kSize, features);
    for (int i = 0; i < 6; i++) {
      Packet packet = frame_to_send(wires, 9000);
      REQUIRE(wires.port().transmit(&packet, 1) == 1);
    }
    wires.port().set_down();
    wires.connect(0);
    CHECK(wires.port().counters().tx_lost == 6);
    CHECK(wires.pool().available() == 400 - Wires::kSize);
  }
}

}  // namespace
}  // namespace usvhost::test
