// SPDX-License-Identifier: Apache-2.0
// Connection: the deadline of slow peers, floods, and peers that do not read their answers.
#include "switch/connection.h"

#include <sys/socket.h>

#include "test/hostile_client.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kPatience = 5'000;

struct Listener final : BackEndListener {
  void pause() override {}
  void resume() override {}
};

struct Peer {
  explicit Peer(uint64_t now = 1000) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    socket.reset(ends[0]);
    connection.emplace(Fd(ends[1]), listener, DeviceFacts{}, kPatience, now);
  }
  Status read_at(uint64_t now) { return connection->on_readable(now, closed); }
  bool write_bytes(const std::vector<uint8_t>& bytes, size_t from, size_t count, const std::vector<int>& fds = {}) {
    return send_with_fds(socket.get(), bytes.data() + from, count, fds) == static_cast<ssize_t>(count);
  }
  Listener listener;
  Fd socket;
  std::optional<Connection> connection;
  bool closed = false;
};

std::vector<uint8_t> number_message(uint64_t value) {
  return encode(Request::kSetProtocolFeatures, 0, &value, sizeof value);
}

TEST_CASE("a peer that says nothing has a deadline from the first moment") {
  Peer peer(1000);
  CHECK(peer.connection->deadline() == 1000 + kPatience);
  REQUIRE(peer.read_at(2000).ok());
  CHECK(peer.connection->deadline() == 1000 + kPatience);
}

TEST_CASE("slow loris: the bytes of one message do not renew its deadline, the end of it lifts it") {
  Peer peer(1000);
  std::vector<uint8_t> bytes = number_message(0);
  for (size_t i = 0; i + 1 < bytes.size(); i++) {
    REQUIRE(peer.write_bytes(bytes, i, 1));
    REQUIRE(peer.read_at(1500 + i * 100).ok());
    CHECK(peer.connection->deadline() == 1000 + kPatience);
  }
  REQUIRE(peer.write_bytes(bytes, bytes.size() - 1, 1));
  REQUIRE(peer.read_at(5000).ok());
  CHECK(peer.connection->deadline() == UINT64_MAX);
  // A later message has a deadline of its own, from its first byte on.
  REQUIRE(peer.write_bytes(bytes, 0, 1));
  REQUIRE(peer.read_at(100'000).ok());
  CHECK(peer.connection->deadline() == 100'000 + kPatience);
  REQUIRE(peer.write_bytes(bytes, 1, 10));
  REQUIRE(peer.read_at(104'000).ok());
  CHECK(peer.connection->deadline() == 100'000 + kPatience);
  REQUIRE(peer.write_bytes(bytes, 11, bytes.size() - 11));
  REQUIRE(peer.read_at(104'500).ok());
  CHECK(peer.connection->deadline() == UINT64_MAX);
}

TEST_CASE("a complete message followed by half a one starts a new deadline") {
  Peer peer(1000);
  std::vector<uint8_t> bytes = number_message(0);
  REQUIRE(peer.write_bytes(bytes, 0, bytes.size()));
  REQUIRE(peer.write_bytes(bytes, 0, 13));
  REQUIRE(peer.read_at(3000).ok());
  CHECK(peer.connection->deadline() == 3000 + kPatience);
}

TEST_CASE("a failure ends the connection after its negative acknowledgement was sent") {
  Peer peer;
  REQUIRE(peer.write_bytes(number_message(feature_bit(kProtocolReplyAck)), 0, 20));
  VringState bad{7, 7};
  std::vector<uint8_t> bytes = encode(Request::kSetVringNum, kFlagNeedReply, &bad, sizeof bad);
  REQUIRE(peer.write_bytes(bytes, 0, bytes.size()));
  CHECK_FALSE(peer.read_at(2000).ok());
  uint8_t answer[sizeof(MessageHeader) + sizeof(uint64_t)];
  REQUIRE(recv(peer.socket.get(), answer, sizeof answer, 0) == sizeof answer);
  MessageHeader header;
  uint64_t number;
  memcpy(&header, answer, sizeof header);
  memcpy(&number, answer + sizeof header, sizeof number);
  CHECK(header.request == static_cast<uint32_t>(Request::kSetVringNum));
  CHECK(number == 1);
}

TEST_CASE("a flood is served in turns and leaves no descriptors behind") {
  Peer peer;
  Fd event(eventfd(0, EFD_CLOEXEC));
  uint64_t none = 0;
  std::vector<uint8_t> call = encode(Request::kSetVringCall, 0, &none, sizeof none);
  REQUIRE(peer.write_bytes(call, 0, call.size(), {event.get()}));
  REQUIRE(peer.read_at(2000).ok());
  size_t before = open_descriptors();
  for (int i = 0; i < 10'000; i++) {
    REQUIRE(peer.write_bytes(call, 0, call.size(), {event.get()}));
    if (i % 32 == 31) REQUIRE(peer.read_at(2000).ok());
  }
  REQUIRE(peer.read_at(2000).ok());
  REQUIRE(peer.read_at(2000).ok());
  CHECK(open_descriptors() <= before + 1);  // the last message keeps its descriptor until the next one
  // More messages than one turn takes: the rest waits, so that other ports have theirs.
  size_t sent = 0;
  std::vector<uint8_t> ask = encode(Request::kGetFeatures, 0, nullptr, 0);
  while (sent < 200 && send_with_fds(peer.socket.get(), ask.data(), ask.size(), {}, MSG_DONTWAIT) > 0) sent++;
  REQUIRE(sent > 65);
  REQUIRE(peer.read_at(2000).ok());
  char drained[20 * 201];
  ssize_t got = recv(peer.socket.get(), drained, sizeof drained, MSG_DONTWAIT);
  REQUIRE(got > 0);
  CHECK(got < static_cast<ssize_t>(20 * sent));
}

TEST_CASE("messages with eight descriptors that they do not take: the first one ends it, ten thousand leak nothing") {
  Fd event(eventfd(0, EFD_CLOEXEC));
  size_t before = open_descriptors();
  for (int i = 0; i < 1250; i++) {
    Peer peer;
    std::vector<uint8_t> bytes = number_message(0);
    for (int k = 0; k < 8; k++) REQUIRE(peer.write_bytes(bytes, 0, bytes.size(), std::vector<int>(8, event.get())));
    CHECK_FALSE(peer.read_at(2000).ok());
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("a peer that asks and never reads is dropped, and the memory it costs is bounded") {
  Peer peer;
  int small = 1;
  setsockopt(peer.connection->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  std::vector<uint8_t> ask = encode(Request::kGetFeatures, 0, nullptr, 0);
  Status status;
  for (int i = 0; i < 10'000 && status.ok(); i++) {
    REQUIRE(peer.write_bytes(ask, 0, ask.size()));
    status = peer.read_at(2000);
  }
  REQUIRE_FALSE(status.ok());
  CHECK(std::string(status.code) == "USV_MESSAGE");
}

TEST_CASE("hung_up() sees an end that has not been read") {
  Peer peer;
  CHECK_FALSE(peer.connection->hung_up());
  std::vector<uint8_t> bytes = number_message(0);
  REQUIRE(peer.write_bytes(bytes, 0, 3));
  CHECK_FALSE(peer.connection->hung_up());
  Peer other;
  other.socket.reset();
  CHECK(other.connection->hung_up());
  REQUIRE(other.read_at(2000).ok());
  CHECK(other.closed);
}

}  // namespace
}  // namespace usvhost::test
