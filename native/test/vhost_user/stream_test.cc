// SPDX-License-Identifier: Apache-2.0
// MessageStream over a real socket pair: bytes that come one by one, descriptors that nobody asked for, peers that do not
// read.
#include "vhost_user/stream.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "test/hostile_client.h"
#include "test/support.h"
#include "vhost_user/message_table.h"

namespace usvhost::test {
namespace {

using Progress = MessageStream::Progress;

struct Link {
  Link() {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    peer.reset(ends[0]);
    stream.emplace(Fd(ends[1]), check_request_header);
  }
  void write_bytes(const std::vector<uint8_t>& bytes, size_t from, size_t count, const std::vector<int>& fds = {}) {
    REQUIRE(send_with_fds(peer.get(), bytes.data() + from, count, fds) == static_cast<ssize_t>(count));
  }
  void write_all(const std::vector<uint8_t>& bytes, const std::vector<int>& fds = {}) {
    write_bytes(bytes, 0, bytes.size(), fds);
  }
  std::string code() const { return stream->status().ok() ? "ok" : stream->status().code; }

  Fd peer;
  std::optional<MessageStream> stream;
};

std::vector<uint8_t> state_message() {
  VringState state{1, 256};
  return encode(Request::kSetVringNum, 0, &state, sizeof state);
}

TEST_CASE("a message byte by byte is a message after the last one, and two messages stay two") {
  Link link;
  std::vector<uint8_t> bytes = state_message();
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < bytes.size(); i++) {
      CHECK(link.stream->receive() == Progress::kWouldBlock);
      CHECK(link.stream->inside_message() == (i != 0));
      link.write_bytes(bytes, i, 1);
    }
    REQUIRE(link.stream->receive() == Progress::kMessage);
    CHECK_FALSE(link.stream->inside_message());
    CHECK(link.stream->message().payload.state.value == 256);
    CHECK(link.stream->fds().empty());
  }
  std::vector<uint8_t> both = bytes;
  std::vector<uint8_t> owner = encode(Request::kSetOwner, 0, nullptr, 0);
  both.insert(both.end(), owner.begin(), owner.end());
  both.insert(both.end(), bytes.begin(), bytes.end());
  link.write_all(both);
  REQUIRE(link.stream->receive() == Progress::kMessage);
  REQUIRE(link.stream->receive() == Progress::kMessage);
  CHECK(link.stream->message().header.request == static_cast<uint32_t>(Request::kSetOwner));
  CHECK(link.stream->message().payload.number == 0);  // nothing left over from the message before
  REQUIRE(link.stream->receive() == Progress::kMessage);
  CHECK(link.stream->receive() == Progress::kWouldBlock);
}

TEST_CASE("an end between messages is an end, an end inside one is an error") {
  std::vector<uint8_t> bytes = state_message();
  for (size_t sent = 0; sent <= bytes.size(); sent++) {
    CAPTURE(sent);
    Link link;
    if (sent != 0) link.write_bytes(bytes, 0, sent);
    link.peer.reset();
    if (sent == bytes.size()) REQUIRE(link.stream->receive() == Progress::kMessage);
    bool between = sent == 0 || sent == bytes.size();
    CHECK(link.stream->receive() == (between ? Progress::kClosed : Progress::kFailed));
    CHECK(link.code() == (between ? "ok" : "USV_MESSAGE"));
  }
}

TEST_CASE("a header is judged before its payload is read") {
  struct Bad {
    uint32_t request, flags, size;
  };
  for (Bad bad : {Bad{0, 1, 0}, Bad{999, 1, 8}, Bad{2, 1, 9}, Bad{2, 1, UINT32_MAX}, Bad{2, 0, 8}, Bad{1, 5, 0},
                  Bad{5, 1, sizeof(MemoryTable) + 1}}) {
    Link link;
    MessageHeader header{bad.request, bad.flags, bad.size};
    REQUIRE(send(link.peer.get(), &header, sizeof header, 0) == sizeof header);
    CHECK(link.stream->receive() == Progress::kFailed);
    CHECK(link.code() == "USV_MESSAGE");
  }
}

TEST_CASE("a check that accepts everything still cannot overrun the payload") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  Fd peer(ends[0]);
  MessageStream stream(Fd(ends[1]), [](const MessageHeader&) { return Status{}; });
  MessageHeader header{1, 1, kMaxPayload + 1};
  REQUIRE(send(peer.get(), &header, sizeof header, 0) == sizeof header);
  CHECK(stream.receive() == Progress::kFailed);
}

TEST_CASE("descriptors belong to their message and are closed with it") {
  size_t before = open_descriptors();
  {
    Link link;
    Fd one(eventfd(0, EFD_CLOEXEC)), two(eventfd(0, EFD_CLOEXEC));
    std::vector<uint8_t> bytes = state_message();
    size_t settled = open_descriptors();
    link.write_all(bytes, {one.get(), two.get()});
    link.write_all(bytes, {one.get()});
    link.write_all(bytes);
    REQUIRE(link.stream->receive() == Progress::kMessage);
    CHECK(link.stream->fds().size() == 2);
    CHECK((fcntl(link.stream->fds()[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    REQUIRE(link.stream->receive() == Progress::kMessage);
    CHECK(link.stream->fds().size() == 1);
    CHECK(open_descriptors() == settled + 1);
    REQUIRE(link.stream->receive() == Progress::kMessage);
    CHECK(link.stream->fds().empty());
    CHECK(open_descriptors() == settled);
    Fd kept;
    link.write_all(bytes, {one.get()});
    REQUIRE(link.stream->receive() == Progress::kMessage);
    kept = std::move(link.stream->fds()[0]);
    CHECK(link.stream->receive() == Progress::kWouldBlock);
    CHECK(fcntl(kept.get(), F_GETFD) >= 0);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("descriptors that arrive with the payload, or in several parts, are all counted") {
  Link link;
  Fd event(eventfd(0, EFD_CLOEXEC));
  std::vector<uint8_t> bytes = state_message();
  link.write_bytes(bytes, 0, 4, {event.get()});
  link.write_bytes(bytes, 4, 8, {event.get()});
  link.write_bytes(bytes, 12, 3, {event.get(), event.get()});
  link.write_bytes(bytes, 15, 5, {event.get()});
  REQUIRE(link.stream->receive() == Progress::kMessage);
  CHECK(link.stream->fds().size() == 5);
}

TEST_CASE("more descriptors than any message takes: refused, and every one of them closed") {
  Fd event(eventfd(0, EFD_CLOEXEC));
  for (size_t count : {size_t{9}, size_t{10}, size_t{64}, size_t{253}}) {
    CAPTURE(count);
    Link link;
    size_t before = open_descriptors();
    link.write_all(state_message(), std::vector<int>(count, event.get()));
    CHECK(link.stream->receive() == Progress::kFailed);
    CHECK(link.code() == "USV_MESSAGE");
    CHECK(open_descriptors() == before);
  }
  Link link;
  size_t before = open_descriptors();
  std::vector<uint8_t> bytes = state_message();
  link.write_bytes(bytes, 0, 5, std::vector<int>(5, event.get()));
  link.write_bytes(bytes, 5, 7, std::vector<int>(5, event.get()));
  CHECK(link.stream->receive() == Progress::kFailed);
  CHECK(open_descriptors() == before);
}

TEST_CASE("descriptors on a message that then fails, or never ends, are closed") {
  Fd event(eventfd(0, EFD_CLOEXEC));
  size_t before = open_descriptors();
  {
    Link link;
    MessageHeader header{999, 1, 0};
    REQUIRE(send_with_fds(link.peer.get(), &header, sizeof header, {event.get(), event.get()}) == sizeof header);
    CHECK(link.stream->receive() == Progress::kFailed);
    CHECK(open_descriptors() == before + 2);  // the two ends of the pair
  }
  {
    Link link;
    link.write_bytes(state_message(), 0, 3, {event.get(), event.get()});
    CHECK(link.stream->receive() == Progress::kWouldBlock);
  }
  {
    Link link;  // queued in the socket and never received
    link.write_all(state_message(), {event.get()});
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("no room for descriptors in this process: the message fails, nothing leaks") {
  Link link;
  Fd event(eventfd(0, EFD_CLOEXEC));
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
  size_t before = open_descriptors();
  link.write_all(state_message(), std::vector<int>(4, event.get()));
  // The next free number is the limit: the kernel can install none of the four.
  Fd probe(dup(event.get()));
  auto limit = static_cast<rlim_t>(probe.get());
  probe.reset();
  rlimit tight{limit, old.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  Progress progress = link.stream->receive();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(progress == Progress::kFailed);
  CHECK(link.code() == "USV_MESSAGE");
  CHECK(open_descriptors() == before);
}

TEST_CASE("sending: header, payload and descriptors arrive as they were") {
  Link link;
  Fd event(eventfd(7, EFD_CLOEXEC));
  uint64_t number = 0x1122334455667788;
  int fd = event.get();
  REQUIRE(link.stream->send(Request::kSetVringCall, kFlagReply, &number, sizeof number, &fd, 1).ok());
  MessageStream reader(std::move(link.peer), [](const MessageHeader&) { return Status{}; });
  REQUIRE(reader.receive() == Progress::kMessage);
  CHECK(reader.message().header.flags == (kFlagVersion | kFlagReply));
  CHECK(reader.message().payload.number == number);
  REQUIRE(reader.fds().size() == 1);
  uint64_t value = 0;
  REQUIRE(read(reader.fds()[0].get(), &value, sizeof value) == sizeof value);
  CHECK(value == 7);
}

TEST_CASE("a peer that does not read: answers are kept up to a bound, then sent in order when it reads") {
  Link link;
  int small = 1;
  setsockopt(link.stream->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  uint64_t sent = 0;
  Status status;
  while (!link.stream->wants_write()) {
    REQUIRE(link.stream->send(Request::kGetFeatures, kFlagReply, &sent, sizeof sent).ok());
    sent++;
  }
  // The socket is full: a message with a descriptor cannot be kept, and says so.
  int fd = link.peer.get();
  CHECK(std::string(link.stream->send(Request::kSetVringCall, 0, &sent, sizeof sent, &fd, 1).code) == "USV_MESSAGE");
  for (;;) {
    status = link.stream->send(Request::kGetFeatures, kFlagReply, &sent, sizeof sent);
    if (!status.ok()) break;
    sent++;
    REQUIRE(sent < 100'000);
  }
  CHECK(std::string(status.code) == "USV_MESSAGE");
  CHECK(link.stream->flush().ok());
  CHECK(link.stream->wants_write());

  MessageStream reader(std::move(link.peer), [](const MessageHeader&) { return Status{}; });
  for (uint64_t expected = 0; expected < sent;) {
    Progress progress = reader.receive();
    if (progress == Progress::kWouldBlock) {
      REQUIRE(link.stream->wants_write());
      REQUIRE(link.stream->flush().ok());
      continue;
    }
    REQUIRE(progress == Progress::kMessage);
    REQUIRE(reader.message().payload.number == expected);
    expected++;
  }
  CHECK_FALSE(link.stream->wants_write());
}

TEST_CASE("a peer that is gone is an error and not a signal") {
  Link link;
  link.peer.reset();
  uint64_t number = 0;
  Status status = link.stream->send(Request::kGetFeatures, kFlagReply, &number, sizeof number);
  CHECK(std::string(status.code) == "USV_IO");
}

}  // namespace
}  // namespace usvhost::test
