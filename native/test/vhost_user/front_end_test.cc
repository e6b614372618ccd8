// SPDX-License-Identifier: Apache-2.0
// FrontEnd: against our BackEnd over a real socket pair, and against back-ends that refuse, lack or lie.
#include "vhost_user/front_end.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "test/guest_memory.h"
#include "test/support.h"
#include "vhost_user/back_end.h"
#include "vhost_user/message_table.h"
#include "vhost_user/stream.h"

namespace usvhost::test {
namespace {

using Progress = MessageStream::Progress;

struct Side {
  Side() : memory(64 * 4096) {
    config.region = {memory.address(0), memory.segment().size(), memory.address(0), 0};
    config.memory_fd = memory.segment().fd();
    for (int i = 0; i < kQueues; i++) {
      queues[i].attach(memory.at(i * 8192), 64);
      kicks[i].reset(eventfd(0, EFD_CLOEXEC));
      calls[i].reset(eventfd(0, EFD_CLOEXEC));
      config.queues[i] = {queues[i].ring(), kicks[i].get(), calls[i].get()};
    }
  }
  GuestMemory memory;
  SplitDriverQueue queues[kQueues];
  Fd kicks[kQueues], calls[kQueues];
  FrontEndConfig config;
};

struct Listener final : BackEndListener {
  void pause() override {}
  void resume() override {}
};

/** A back-end with a choice of features; answers by hand what BackEnd would answer. */
struct ScriptedBackEnd {
  uint64_t features = kFrontEndFeatures;
  uint64_t protocol = kSupportedProtocolFeatures;
  uint64_t queues = 1;
  uint64_t acknowledgement = 0;
  std::vector<Request> seen = {};

  /** Runs the handshake until it is done or has failed. */
  Status run(FrontEnd& front_end) {
    OutgoingMessage out;
    while (front_end.next(out)) {
      seen.push_back(out.request);
      if (!out.expects_reply) continue;
      CHECK(front_end.waiting());
      OutgoingMessage early;
      CHECK_FALSE(front_end.next(early));
      Message reply{{static_cast<uint32_t>(out.request), kFlagVersion | kFlagReply, 8}, {}};
      switch (out.request) {
        case Request::kGetFeatures: reply.payload.number = features; break;
        case Request::kGetProtocolFeatures: reply.payload.number = protocol; break;
        case Request::kGetQueueNum: reply.payload.number = queues; break;
        default: reply.payload.number = acknowledgement;
      }
      CHECK(check_reply_header(reply.header, front_end.awaited()).ok());
      if (Status status = front_end.reply(reply); !status.ok()) return status;
    }
    return {};
  }
  bool saw(Request request) const { return std::find(seen.begin(), seen.end(), request) != seen.end(); }
};

std::string code(const Status& status) { return status.ok() ? "ok" : status.code; }

TEST_CASE("the handshake with our own back-end, over a socket: both rings run in its memory") {
  Side side;
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  FrontEnd front_end(side.config);
  MessageStream front(Fd(ends[0]),
                      [&](const MessageHeader& header) { return check_reply_header(header, front_end.awaited()); });
  MessageStream back(Fd(ends[1]), check_request_header);
  Listener listener;
  BackEnd back_end(listener);
  while (!front_end.done()) {
    OutgoingMessage out;
    bool moved = false;
    while (front_end.next(out)) {
      moved = true;
      REQUIRE(front.send(out.request, out.flags, &out.payload, out.size, out.fds, out.fd_count).ok());
      CHECK(check_request({{static_cast<uint32_t>(out.request), kFlagVersion, out.size}, out.payload},
                          static_cast<uint32_t>(out.fd_count))
                .ok());
    }
    while (back.receive() == Progress::kMessage) {
      moved = true;
      Reply reply;
      Status status = back_end.handle(back.message(), back.fds(), reply);
      REQUIRE_MESSAGE(status.ok(), status.describe());
      auto request = static_cast<Request>(back.message().header.request);
      if (reply.present) REQUIRE(back.send(request, kFlagReply, &reply.payload, reply.size).ok());
    }
    REQUIRE(back.status().ok());
    while (front.receive() == Progress::kMessage) {
      moved = true;
      REQUIRE(front_end.reply(front.message()).ok());
    }
    REQUIRE(front.status().ok());
    REQUIRE(moved);
  }
  CHECK(front_end.features() == kFrontEndFeatures);
  CHECK(back_end.features() == kFrontEndFeatures);
  CHECK(back_end.protocol_features() == kFrontEndProtocolFeatures);
  for (uint16_t i = 0; i < kQueues; i++) {
    CAPTURE(i);
    REQUIRE(back_end.queue(i).active());
    CHECK(back_end.queue(i).enabled);
    CHECK(back_end.queue(i).size == 64);
    side.queues[i].add(side.memory.address(16384), 32, i == kReceiveQueue, 5);
    side.queues[i].publish();
    CHECK(back_end.queue(i).ring.pending());
    uint64_t one = 1, got = 0;
    REQUIRE(write(back_end.queue(i).call.get(), &one, sizeof one) == sizeof one);
    REQUIRE(read(side.calls[i].get(), &got, sizeof got) == sizeof got);
  }
}

TEST_CASE("order: memory before addresses, size before address before kick, all kicks before the first enable") {
  Side side;
  FrontEnd front_end(side.config);
  ScriptedBackEnd back_end;
  REQUIRE(back_end.run(front_end).ok());
  CHECK(front_end.done());
  const std::vector<Request> expected = {
      Request::kGetFeatures,  Request::kGetProtocolFeatures, Request::kSetProtocolFeatures, Request::kGetQueueNum,
      Request::kSetOwner,     Request::kSetFeatures,         Request::kSetMemTable,         Request::kSetVringNum,
      Request::kSetVringBase, Request::kSetVringAddr,        Request::kSetVringCall,        Request::kSetVringKick,
      Request::kSetVringNum,  Request::kSetVringBase,        Request::kSetVringAddr,        Request::kSetVringCall,
      Request::kSetVringKick, Request::kSetVringEnable,      Request::kSetVringEnable,      Request::kSetStatus,
  };
  CHECK(back_end.seen == expected);
}

TEST_CASE("what a back-end does not have is not sent to it") {
  Side side;
  {
    FrontEnd front_end(side.config);
    ScriptedBackEnd bare{.features = kRequiredFeatures};
    REQUIRE(bare.run(front_end).ok());
    CHECK(front_end.done());
    CHECK(front_end.features() == kRequiredFeatures);
    for (Request request : {Request::kGetProtocolFeatures, Request::kSetProtocolFeatures, Request::kGetQueueNum,
                            Request::kSetVringEnable, Request::kSetStatus}) {
      CHECK_FALSE(bare.saw(request));
    }
  }
  {
    FrontEnd front_end(side.config);
    ScriptedBackEnd no_extras{.protocol = 0};
    REQUIRE(no_extras.run(front_end).ok());
    CHECK(no_extras.saw(Request::kSetVringEnable));
    CHECK_FALSE(no_extras.saw(Request::kGetQueueNum));
    CHECK_FALSE(no_extras.saw(Request::kSetStatus));
  }
  {
    FrontEnd front_end(side.config);
    ScriptedBackEnd generous{.features = UINT64_MAX, .protocol = UINT64_MAX};
    REQUIRE(generous.run(front_end).ok());
    CHECK(front_end.features() == kFrontEndFeatures);
    CHECK(front_end.protocol_features() == kFrontEndProtocolFeatures);
  }
}

TEST_CASE("back-ends that cannot be used are refused with the reason") {
  Side side;
  struct Case {
    ScriptedBackEnd back_end;
    const char* code;
  };
  for (Case& bad : std::vector<Case>{{{.features = 0}, "USV_FEATURES"},
                                     {{.features = ~kRequiredFeatures}, "USV_FEATURES"},
                                     {{.queues = 0}, "USV_FEATURES"},
                                     {{.acknowledgement = 1}, "USV_MESSAGE"},
                                     {{.acknowledgement = UINT64_MAX}, "USV_MESSAGE"}}) {
    FrontEnd front_end(side.config);
    CHECK(code(bad.back_end.run(front_end)) == bad.code);
    CHECK_FALSE(front_end.done());
  }
}

TEST_CASE("answers that nobody asked for") {
  Side side;
  FrontEnd front_end(side.config);
  Message reply{{static_cast<uint32_t>(Request::kGetFeatures), kFlagVersion | kFlagReply, 8}, {}};
  CHECK(code(front_end.reply(reply)) == "USV_MESSAGE");
  OutgoingMessage out;
  REQUIRE(front_end.next(out));
  reply.payload.number = kFrontEndFeatures;
  CHECK(front_end.reply(reply).ok());
  CHECK(code(front_end.reply(reply)) == "USV_MESSAGE");
  ScriptedBackEnd back_end;
  REQUIRE(back_end.run(front_end).ok());
  CHECK(code(front_end.reply(reply)) == "USV_MESSAGE");
  CHECK_FALSE(front_end.next(out));
}

}  // namespace
}  // namespace usvhost::test
