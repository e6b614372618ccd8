// SPDX-License-Identifier: Apache-2.0
// BackEnd: every order of messages, replies and acknowledgements, and what a ring remembers when it stops.
#include "vhost_user/back_end.h"

#include <algorithm>

#include "test/vhost_user/session.h"

namespace usvhost::test {
namespace {

TEST_CASE("questions and their answers") {
  Session session;
  CHECK(session.ask(Request::kGetFeatures) == "ok");
  CHECK(session.reply.payload.number == session.back_end.offered());
  CHECK(session.reply.size == 8);
  CHECK(session.ask(Request::kGetProtocolFeatures) == "ok");
  CHECK(session.reply.payload.number == kSupportedProtocolFeatures);
  CHECK(session.ask(Request::kGetQueueNum) == "USV_MESSAGE");
  CHECK_FALSE(session.reply.present);
  session.negotiate();
  CHECK(session.ask(Request::kGetMaxMemSlots) == "ok");
  CHECK(session.reply.payload.number == kMaxRegions);
  CHECK(session.ask(Request::kGetQueueNum) == "ok");
  CHECK(session.reply.payload.number == kMaxQueuePairs);
  CHECK(session.ask(Request::kGetStatus) == "ok");
  CHECK(session.reply.payload.number == 0);
  CHECK(session.ask(Request::kSetOwner) == "ok");
  CHECK_FALSE(session.reply.present);
  CHECK(session.ask(Request::kResetOwner) == "ok");
}

TEST_CASE("features: nothing that was not offered, and VERSION_1 always") {
  for (uint64_t features :
       {uint64_t{0}, feature_bit(kVhostUserProtocolFeatures), kBackEndFeatures | feature_bit(VIRTIO_NET_F_HOST_UFO),
        kBackEndFeatures | uint64_t{1} << 63, kBackEndFeatures | feature_bit(26), UINT64_MAX}) {
    Session session;
    CHECK(session.number(Request::kSetFeatures, features) == "USV_MESSAGE");
    CHECK(session.back_end.features() == 0);
  }
  for (uint64_t features : {feature_bit(1), kSupportedProtocolFeatures | feature_bit(1), UINT64_MAX}) {
    Session session;
    CHECK(session.number(Request::kSetProtocolFeatures, features) == "USV_MESSAGE");
    CHECK(session.back_end.protocol_features() == 0);
  }
  Session session;
  CHECK(session.number(Request::kSetFeatures, kBackEndFeatures) == "ok");
  CHECK_FALSE(session.back_end.queue(0).enabled);
  Session old;
  CHECK(old.number(Request::kSetFeatures, kRequiredFeatures) == "ok");
  CHECK(old.back_end.queue(0).enabled);  // without PROTOCOL_FEATURES nobody will enable them
  CHECK(old.back_end.queue(1).enabled);
}

TEST_CASE("a ring runs when size, address, memory and kick are there, in whatever order they came") {
  std::vector<int> order = {0, 1, 2, 3, 4};
  int refused = 0, ran = 0;
  do {
    Session session;
    std::string result = "ok";
    bool sized = false, expected_refusal = false;
    for (int step : order) {
      switch (step) {
        case 0:
          result = session.state(Request::kSetVringNum, 1, 64);
          sized = true;
          break;
        case 1: result = session.address(1); break;
        case 2: result = session.table(); break;
        case 3:
          result = session.kick(1);
          expected_refusal = !sized;
          break;
        case 4: result = session.state(Request::kSetVringEnable, 1, 1); break;
      }
      if (result != "ok") break;
    }
    if (expected_refusal) {
      CHECK(result == "USV_MESSAGE");  // a kick starts a ring, and this one has no size yet
      CHECK_FALSE(session.active(1));
      refused++;
    } else {
      CHECK(result == "ok");
      CHECK(session.active(1));
      CHECK(session.back_end.queue(1).enabled);
      ran++;
    }
    CHECK_FALSE(session.active(0));
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(refused == 60);
  CHECK(ran == 60);
}

TEST_CASE("rings that do not lie in the memory, one byte at a time") {
  Session session;
  REQUIRE(session.table() == "ok");
  REQUIRE(session.state(Request::kSetVringNum, 0, 64) == "ok");
  REQUIRE(session.kick(0) == "ok");
  uint64_t low = session.memory.address(0), high = session.memory.end();
  auto place = [&session](uint64_t desc, uint64_t avail, uint64_t used) {
    VringAddress payload{0, 0, desc, used, avail, 0};
    std::string result = session.say(Request::kSetVringAddr, &payload, sizeof payload);
    CHECK(session.active(0) == (result == "ok"));
    return result;
  };
  uint64_t desc_bytes = SplitRing::desc_bytes(64), avail_bytes = SplitRing::avail_bytes(64);
  uint64_t used_bytes = (SplitRing::used_bytes(64) + 3) / 4 * 4;
  CHECK(place(high - desc_bytes, low, low + 1024) == "ok");
  CHECK(place(high - desc_bytes + 16, low, low + 1024) == "USV_REGION");
  CHECK(place(low, high - avail_bytes, low + 1024) == "ok");
  CHECK(place(low, high - avail_bytes + 2, low + 1024) == "USV_REGION");
  CHECK(place(low, low + 1024, high - used_bytes) == "ok");
  CHECK(place(low, low + 1024, high - used_bytes + 4) == "USV_REGION");
  CHECK(place(low - 16, low + 1024, low + 2048) == "USV_REGION");
  CHECK(place(0, low + 1024, low + 2048) == "USV_REGION");
  CHECK(place(UINT64_MAX - 15, low + 1024, low + 2048) == "USV_REGION");
  CHECK(place(high, low + 1024, low + 2048) == "USV_REGION");
}

TEST_CASE("a ring that lies across two regions is refused although both are mapped and adjacent") {
  Session session;
  MemoryTable payload{};
  payload.count = 2;
  uint64_t base = session.memory.address(0), half = 32 * 4096;
  payload.regions[0] = {base, half, base, 0};
  payload.regions[1] = {base + half, half, base + half, half};
  int fd = session.memory.segment().fd();
  REQUIRE(session.say(Request::kSetMemTable, &payload, 72, {fd, fd}) == "ok");
  REQUIRE(session.state(Request::kSetVringNum, 0, 64) == "ok");
  REQUIRE(session.kick(0) == "ok");
  CHECK(session.address(0, half - 512) == "USV_REGION");
  CHECK_FALSE(session.active(0));
}

TEST_CASE("an offset in the file that breaks the ring's alignment in our address space") {
  Session session;
  MemoryTable payload{};
  payload.count = 1;
  payload.regions[0] = {session.memory.address(0), 32 * 4096, session.memory.address(0), 8};
  REQUIRE(session.say(Request::kSetMemTable, &payload, 40, {session.memory.segment().fd()}) == "ok");
  REQUIRE(session.state(Request::kSetVringNum, 0, 64) == "ok");
  REQUIRE(session.kick(0) == "ok");
  CHECK(session.address(0) == "USV_REGION");
}

TEST_CASE("acknowledgements: only when negotiated and wished for, zero only when it was done") {
  Session session;
  CHECK(session.table(kFlagNeedReply) == "ok");
  CHECK_FALSE(session.reply.present);
  REQUIRE(session.number(Request::kSetProtocolFeatures, feature_bit(kProtocolReplyAck)) == "ok");
  CHECK(session.table() == "ok");
  CHECK_FALSE(session.reply.present);
  CHECK(session.table(kFlagNeedReply) == "ok");
  REQUIRE(session.reply.present);
  CHECK(session.reply.payload.number == 0);
  CHECK(session.reply.size == 8);
  MemoryTable empty{};
  empty.count = 1;
  CHECK(session.say(Request::kSetMemTable, &empty, 40, {session.memory.segment().fd()}, kFlagNeedReply) ==
        "USV_REGION");
  REQUIRE(session.reply.present);
  CHECK(session.reply.payload.number == 1);
  CHECK(session.state(Request::kSetVringNum, 0, 3, kFlagNeedReply) == "USV_MESSAGE");
  REQUIRE(session.reply.present);
  CHECK(session.reply.payload.number == 1);
  // A message with an answer of its own has no acknowledgement beside it.
  CHECK(session.say(Request::kGetFeatures, nullptr, 0, {}, kFlagNeedReply) == "ok");
  CHECK(session.reply.payload.number == session.back_end.offered());
}

TEST_CASE("a table that is refused leaves the memory and the rings as they were") {
  Session session;
  REQUIRE(session.table() == "ok");
  session.start(1);
  MemoryTable bad{};
  bad.count = 1;
  bad.regions[0] = {0x1000, uint64_t{1} << 40, 0x1000, 0};
  int pauses = session.pauses;
  CHECK(session.say(Request::kSetMemTable, &bad, 40, {session.memory.segment().fd()}) == "USV_REGION");
  CHECK(session.pauses == pauses);
  CHECK(session.active(1));
  CHECK(session.back_end.memory().translate(session.memory.address(0), 1) != nullptr);
}

TEST_CASE("what a data thread may be using changes only while all of them pause") {
  std::string (*const changes[])(Session&) = {
      [](Session& s) { return s.table(); },
      [](Session& s) { return s.add(0, 1); },
      [](Session& s) { return s.remove(0, 64); },
      [](Session& s) { return s.number(Request::kSetFeatures, s.back_end.offered()); },
      [](Session& s) { return s.number(Request::kSetStatus, 0); },
      [](Session& s) { return s.address(1); },
      [](Session& s) { return s.kick(1); },
      [](Session& s) { return s.number(Request::kSetVringCall, 1, {s.kicks[0].get()}); },
      [](Session& s) { return s.state(Request::kSetVringEnable, 1, 0); },
      [](Session& s) { return s.state(Request::kGetVringBase, 1, 0); },
      [](Session& s) { return s.ask(Request::kResetDevice); },
  };
  for (size_t i = 0; i < std::size(changes); i++) {
    CAPTURE(i);
    Session session;
    session.negotiate();
    REQUIRE(session.table() == "ok");
    session.start(1);
    int before = session.pauses;
    changes[i](session);
    CHECK(session.pauses == before + 1);
  }
}

TEST_CASE("GET_VRING_BASE stops the ring and tells where it stood; a new start goes on from there") {
  Session session;
  REQUIRE(session.table() == "ok");
  REQUIRE(session.state(Request::kSetVringNum, 1, 64) == "ok");
  REQUIRE(session.state(Request::kSetVringBase, 1, 0xfff0) == "ok");
  session.rings[1].set_used(0xfff0);
  REQUIRE(session.address(1) == "ok");
  REQUIRE(session.kick(1) == "ok");
  pass(session.back_end.queue(1), 20);
  size_t descriptors = open_descriptors();
  CHECK(session.state(Request::kGetVringBase, 1, 0) == "ok");
  REQUIRE(session.reply.present);
  CHECK(session.reply.payload.state.index == 1);
  CHECK(session.reply.payload.state.value == 4);
  CHECK_FALSE(session.active(1));
  CHECK(open_descriptors() == descriptors - 1);  // the kick is gone
  CHECK(session.kick(1) == "ok");
  CHECK(session.active(1));
  CHECK(session.back_end.queue(1).ring.base() == 4);
  CHECK(session.state(Request::kGetVringBase, 0, 0) == "ok");  // never started
  CHECK(session.reply.payload.state.value == 0);
}

TEST_CASE("a front-end that goes on with its rings after its back-end died finds them where they stood") {
  Session session;
  REQUIRE(session.table() == "ok");
  session.rings[0].set_used(0xfffe);
  session.start(0);  // says 0, as DPDK's does
  CHECK(session.back_end.queue(0).ring.base() == 0xfffe);
  pass(session.back_end.queue(0), 3);
  // From now on the position is ours, whatever the ring says.
  session.rings[0].set_used(77);
  REQUIRE(session.table() == "ok");
  CHECK(session.back_end.queue(0).ring.base() == 1);
  CHECK(session.state(Request::kGetVringBase, 0, 0) == "ok");
  CHECK(session.reply.payload.state.value == 1);
  REQUIRE(session.kick(0) == "ok");
  CHECK(session.back_end.queue(0).ring.base() == 1);
}

TEST_CASE("size and base of a running ring cannot be changed") {
  Session session;
  REQUIRE(session.table() == "ok");
  session.start(0);
  CHECK(session.state(Request::kSetVringNum, 0, 128) == "USV_MESSAGE");
  CHECK(session.state(Request::kSetVringBase, 0, 1) == "USV_MESSAGE");
  CHECK(session.active(0));
}

TEST_CASE("new memory and new addresses keep the position of a running ring") {
  Session session;
  REQUIRE(session.table() == "ok");
  session.start(0);
  pass(session.back_end.queue(0), 5);
  REQUIRE(session.table() == "ok");
  CHECK(session.back_end.queue(0).ring.base() == 5);
  pass(session.back_end.queue(0), 5);
  REQUIRE(session.address(0) == "ok");
  CHECK(session.back_end.queue(0).ring.base() == 10);
  REQUIRE(session.kick(0) == "ok");
  CHECK(session.back_end.queue(0).ring.base() == 10);
}

TEST_CASE("status 0 is a reset: rings stop, and can be started again") {
  Session session;
  session.negotiate();
  REQUIRE(session.table() == "ok");
  session.start(0);
  session.start(1);
  CHECK(session.number(Request::kSetStatus, 0xf) == "ok");
  CHECK(session.active(0));
  CHECK(session.ask(Request::kGetStatus) == "ok");
  CHECK(session.reply.payload.number == 0xf);
  CHECK(session.number(Request::kSetStatus, 0) == "ok");
  CHECK_FALSE(session.active(0));
  CHECK_FALSE(session.active(1));
  session.start(0);
  CHECK(session.active(0));
}

TEST_CASE("a kick without a descriptor is refused, a call without one means silence") {
  Session session;
  REQUIRE(session.state(Request::kSetVringNum, 0, 64) == "ok");
  CHECK(session.number(Request::kSetVringKick, kVringNoFd) == "USV_MESSAGE");
  CHECK(session.number(Request::kSetVringCall, 0, {session.kicks[0].get()}) == "ok");
  CHECK(session.back_end.queue(0).call);
  CHECK(session.number(Request::kSetVringCall, kVringNoFd) == "ok");
  CHECK_FALSE(session.back_end.queue(0).call);
  CHECK(session.number(Request::kSetVringErr, 0, {session.kicks[0].get()}) == "ok");
  CHECK(session.number(Request::kSetVringKick, 0, {session.memory.segment().fd()}) == "USV_MESSAGE");
  CHECK(session.number(Request::kSetVringCall, 0, {session.memory.segment().fd()}) == "USV_MESSAGE");
  CHECK_FALSE(session.back_end.queue(0).call);
}

TEST_CASE("RESET_DEVICE: rings and features as after connecting, memory and protocol features as they are") {
  Session session;
  session.negotiate();
  REQUIRE(session.number(Request::kSetFeatures, kBackEndFeatures) == "ok");
  REQUIRE(session.table() == "ok");
  REQUIRE(session.number(Request::kSetStatus, 0xf) == "ok");
  size_t descriptors = open_descriptors();
  for (int i = 0; i < 3; i++) {
    session.start(0);
    session.start(1);
    REQUIRE(session.number(Request::kSetVringCall, 1, {session.kicks[1].get()}) == "ok");
    REQUIRE(session.state(Request::kSetVringEnable, 1, 1) == "ok");
    pass(session.back_end.queue(1), 7);
    CHECK(session.ask(Request::kResetDevice) == "ok");
    CHECK(open_descriptors() == descriptors);
    CHECK_FALSE(session.active(0));
    CHECK_FALSE(session.active(1));
    CHECK_FALSE(session.back_end.queue(1).enabled);
    CHECK(session.back_end.features() == 0);
    CHECK(session.back_end.protocol_features() == kSupportedProtocolFeatures);
    CHECK(session.ask(Request::kGetStatus) == "ok");
    CHECK(session.reply.payload.number == 0);
    CHECK(session.reaches(0));
    CHECK(session.kick(1) == "USV_MESSAGE");  // its size is gone too
    CHECK(session.ask(Request::kResetDevice) == "ok");
  }
  session.start(1);
  CHECK(session.active(1));
}

TEST_CASE("eight pairs with MQ, one without, and each ring for itself") {
  Session session;
  session.negotiate(kSupportedProtocolFeatures & ~feature_bit(kProtocolMq));
  CHECK(session.state(Request::kSetVringNum, 1, 64) == "ok");
  for (Request request :
       {Request::kSetVringNum, Request::kSetVringBase, Request::kSetVringEnable, Request::kGetVringBase}) {
    CHECK(session.state(request, 2, 1) == "USV_MESSAGE");
  }
  VringAddress nowhere{2, 0, 0, 0, 0, 0};
  CHECK(session.say(Request::kSetVringAddr, &nowhere, sizeof nowhere) == "USV_MESSAGE");
  for (Request request : {Request::kSetVringKick, Request::kSetVringCall, Request::kSetVringErr}) {
    CHECK(session.number(request, 2, {session.kicks[0].get()}) == "USV_MESSAGE");
  }
  session.negotiate();
  REQUIRE(session.table() == "ok");
  RawRing ring;
  ring.attach(session.memory.at(32768), 64);
  for (uint16_t queue : {uint16_t{15}, uint16_t{2}}) {
    REQUIRE(session.state(Request::kSetVringNum, queue, 64) == "ok");
    VringAddress where{
        queue, 0, guest_address(ring.ring().desc), guest_address(ring.ring().used), guest_address(ring.ring().avail),
        0};
    REQUIRE(session.say(Request::kSetVringAddr, &where, sizeof where) == "ok");
    REQUIRE(session.number(Request::kSetVringKick, queue, {session.kicks[0].get()}) == "ok");
    REQUIRE(session.state(Request::kSetVringEnable, queue, 1) == "ok");
  }
  for (uint16_t i = 0; i < kMaxQueues; i++) CHECK(session.active(i) == (i == 15 || i == 2));
  REQUIRE(session.state(Request::kSetVringEnable, 2, 0) == "ok");
  CHECK_FALSE(session.back_end.queue(2).enabled);
  CHECK(session.back_end.queue(15).enabled);
  // A ring that has stopped may come back with another size.
  REQUIRE(session.state(Request::kGetVringBase, 15, 0) == "ok");
  REQUIRE(session.state(Request::kSetVringNum, 15, 32) == "ok");
  REQUIRE(session.number(Request::kSetVringKick, 15, {session.kicks[0].get()}) == "ok");
  CHECK(session.active(15));
  CHECK(session.back_end.queue(15).size == 32);
}

TEST_CASE("every message a thousand times: nothing grows") {
  Session session;
  session.negotiate();
  REQUIRE(session.table() == "ok");
  session.start(0);
  REQUIRE(session.number(Request::kSetVringCall, 0, {session.kicks[0].get()}) == "ok");
  size_t before = open_descriptors();
  for (int i = 0; i < 1000; i++) {
    session.table();
    session.address(0);
    session.kick(0);
    session.number(Request::kSetVringCall, 0, {session.kicks[0].get()});
    session.number(Request::kSetVringErr, 0, {session.kicks[0].get()});
    session.state(Request::kSetVringEnable, 0, i % 2);
    session.state(Request::kGetVringBase, 1, 0);
    session.state(Request::kSetVringNum, 1, 64);
    session.ask(Request::kGetFeatures);
    session.config(0, 256);
    session.number(Request::kNetSetMtu, 1500);
    session.slot(Request::kAddMemReg, 0, 1, {session.memory.segment().fd()});  // overlaps and is refused
  }
  CHECK(open_descriptors() == before);
  CHECK(session.active(0));
}

}  // namespace
}  // namespace usvhost::test
