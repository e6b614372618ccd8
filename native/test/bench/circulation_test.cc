// SPDX-License-Identifier: Apache-2.0
// The source of the loop benchmark on ports whose other end is the test, which carries frames, loses some and sends others.
#include "bench/circulation.h"

#include "engines/frames.h"
#include "test/engines/wires.h"

namespace usvhost::test {
namespace {

using Frame = Wires::Frame;
constexpr uint64_t kNever = UINT64_MAX;

struct Loop {
  explicit Loop(std::vector<FrameKind> kinds, uint64_t silence_nanos = kNever)
      : engine(wires.ports(), std::move(kinds), silence_nanos) {
    REQUIRE(engine.open().ok());
    engine.poll();
  }

  /** What the first port has sent, and a pass after `frames` of it have arrived at the second. */
  std::vector<Frame> sent() { return wires.sent(0); }
  void arrive(const std::vector<Frame>& frames) {
    for (const Frame& frame : frames) REQUIRE(wires.arrive(frame, 1));
    engine.poll();
  }
  double count(const char* name) { return metric(engine.report(), name); }

  Wires wires{2, 800};
  Circulation engine;
};

std::vector<Frame> without(std::vector<Frame> frames, size_t index) {
  frames.erase(frames.begin() + static_cast<long>(index));
  return frames;
}

TEST_CASE("circulation: each direction keeps its frames, in order, each with its own size and addresses") {
  Loop loop({{60, 20}, {1500, 10}});
  for (size_t port : {size_t{0}, size_t{1}}) {
    CAPTURE(port);
    std::vector<Frame> first = loop.wires.sent(port);
    REQUIRE(first.size() == 30);
    size_t large = 0;
    for (size_t i = 0; i < 30; i++) {
      CHECK(load_mac(first[i].data()) == mac(static_cast<uint8_t>(2 - port)));
      CHECK(load_mac(first[i].data() + 6) == mac(static_cast<uint8_t>(1 + port)));
      if (first[i].size() == 1500) large++;
      // A third of any stretch is large.
      CHECK(3 * large <= i + 3);
      CHECK(3 * large + 3 >= i);
    }
    CHECK(large == 10);
    for (int turn = 0; turn < 10; turn++) {
      for (const Frame& frame : first) REQUIRE(loop.wires.arrive(frame, 1 - port));
      CHECK(loop.engine.poll() == 30);
      CHECK(loop.wires.sent(port) == first);
    }
  }
  CHECK(loop.count("remade") == 0);
  CHECK(loop.count("strays") == 0);
  CHECK(loop.count("busy_nanos") > 0);
  CHECK(loop.count("busy_nanos") <= loop.count("nanos"));
}

TEST_CASE("circulation: a lost frame is made anew in its place") {
  for (size_t lost : {0, 1, 20, 38}) {
    CAPTURE(lost);
    Loop loop({{60, 20}, {90, 20}});
    std::vector<Frame> whole = loop.sent();
    loop.arrive(without(whole, lost));
    CHECK(loop.sent() == whole);
    CHECK(loop.count("remade") == 1);
  }
}

TEST_CASE("circulation: the last frame of a burst is missed when the next one comes") {
  Loop loop({{60, 40}});
  std::vector<Frame> whole = loop.sent();
  loop.arrive(without(whole, 39));
  REQUIRE(loop.sent() == without(whole, 39));
  loop.arrive({whole[0], whole[1]});
  CHECK(loop.sent() == std::vector<Frame>{whole[39], whole[0], whole[1]});
}

TEST_CASE("circulation: a frame that comes after it was made anew, and one of somebody else, go no further") {
  Loop loop({{60, 40}});
  std::vector<Frame> whole = loop.sent();
  uint32_t free = loop.wires.pool().available();
  loop.arrive({whole[0], whole[2]});
  REQUIRE(loop.sent() == std::vector<Frame>{whole[0], whole[1], whole[2]});
  Frame foreign = whole[3];
  foreign[11] = 9;
  loop.arrive({whole[1], foreign, Frame(20, 0), whole[3]});
  CHECK(loop.sent() == std::vector<Frame>{whole[3]});
  CHECK(loop.count("strays") == 3);
  CHECK(loop.count("remade") == 1);
  loop.arrive({});
  // The last ones that were sent, and what takes the place of used ones in the receive ring, come from the pool.
  CHECK(loop.wires.pool().available() + 4 >= free);
}

TEST_CASE("circulation: after a silence all frames are made anew, and those of before are strays") {
  Loop loop({{60, 40}}, 0);
  std::vector<Frame> before = loop.sent();
  REQUIRE(before.size() == 40);
  loop.arrive({});
  std::vector<Frame> after = loop.sent();
  REQUIRE(after.size() == 40);
  CHECK(after[0] != before[0]);
  CHECK(loop.count("remade") == 80);  // in both directions
  loop.arrive({before[0], before[1]});
  CHECK(loop.count("strays") == 2);
  CHECK(loop.sent().empty());
  loop.arrive({after[0]});
  CHECK(loop.sent() == std::vector<Frame>{after[0]});
}

TEST_CASE("circulation: what the ring has no room for waits, in order") {
  Loop loop({{60, 200}});
  std::vector<Frame> sent;
  for (uint32_t left = 200; left != 0;) {
    std::vector<Frame> now = loop.sent();
    REQUIRE(now.size() == std::min<uint32_t>(left, Wires::kSize));
    left -= static_cast<uint32_t>(now.size());
    sent.insert(sent.end(), now.begin(), now.end());
    loop.arrive({});
  }
  for (uint32_t i = 0; i < 200; i++) {
    uint32_t place;
    memcpy(&place, sent[i].data() + kEthernetBytes, sizeof place);
    CHECK(place == i);
  }
}

TEST_CASE("circulation: stopped, it lets go of all frames; a new link begins with all of them") {
  Loop loop({{60, 100}});
  std::vector<Frame> sent = loop.sent();
  for (size_t port : {size_t{0}, size_t{1}}) loop.wires.connect(port);
  uint32_t before = loop.wires.pool().available();
  loop.engine.connected();
  // What waited for room is in the pool again.
  CHECK(loop.wires.pool().available() == before + 2 * (100 - Wires::kSize));
  loop.engine.poll();
  CHECK(loop.count("remade") == 0);
  std::vector<Frame> again = loop.sent();
  REQUIRE(again.size() == Wires::kSize);
  CHECK(again[0] != sent[0]);
  loop.engine.set_running(false);
  loop.arrive({again[0], again[1]});
  CHECK(loop.sent().empty());
}

TEST_CASE("circulation: frames that no buffer has, or none at all, are refused") {
  Wires wires(2);
  for (std::vector<FrameKind> kinds : {std::vector<FrameKind>{},
                                       {{59, 1}},
                                       {{kPayloadCapacity + 1, 1}},
                                       {{60, 0}},
                                       {{60, Circulation::kMaxFrames}, {61, 1}}}) {
    Circulation engine(wires.ports(), kinds);
    Status status = engine.open();
    REQUIRE_FALSE(status.ok());
    CHECK(std::string(status.code) == "USV_CONFIG");
  }
}

}  // namespace
}  // namespace usvhost::test
