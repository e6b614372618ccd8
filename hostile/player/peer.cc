// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fail.h"

namespace hostile {

namespace {

constexpr size_t kMostFds = 253;  // SCM_MAX_FD of the kernel
constexpr uint32_t kGetFeatures = 1;

struct Header {
  uint32_t request;
  uint32_t flags;
  uint32_t size;
};

bool is_end(int error) { return error == EPIPE || error == ECONNRESET; }

}  // namespace

Peer::Peer(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("the path %s is too long", path.c_str());
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  timeval patience{kPatienceMillis / 1000, 0};
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("connect to %s: %s", path.c_str(), strerror(errno));
  }
}

Peer::~Peer() { close(socket_); }

void Peer::send(const Bytes& bytes, const std::vector<int>& fds) {
  if (fds.size() > kMostFds) fail("at most %zu descriptors go into one message", kMostFds);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostFds)] = {};
  size_t sent = 0;
  while (sent < bytes.size()) {
    iovec piece{const_cast<uint8_t*>(bytes.data()) + sent, bytes.size() - sent};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (sent == 0 && !fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
    }
    ssize_t written = sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == ETOOMANYREFS) {
      // Without privileges the kernel bounds how many descriptors are under way; the other side is taking them.
      linger(1);
      if (hung_up()) return;
      continue;
    }
    if (written < 0 && is_end(errno)) return;
    if (written < 0) fail("sendmsg: %s", strerror(errno));
    sent += static_cast<size_t>(written);
  }
}

bool Peer::read_fully(void* to, size_t size) {
  auto* bytes = static_cast<uint8_t*>(to);
  while (size != 0) {
    pollfd readable{socket_, POLLIN, 0};
    if (poll(&readable, 1, kPatienceMillis) != 1) fail("expected an answer, got none in time");
    ssize_t got = recv(socket_, bytes, size, 0);
    if (got == 0 || (got < 0 && is_end(errno))) return false;
    if (got < 0) fail("recv: %s", strerror(errno));
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

std::optional<uint64_t> Peer::reply() {
  Header header{};
  uint8_t payload[4096] = {};
  if (!read_fully(&header, sizeof header)) return {};
  if (header.size > sizeof payload) fail("expected an answer of a page at most, got %u bytes", header.size);
  if (!read_fully(payload, header.size)) return {};
  uint64_t number;
  memcpy(&number, payload, sizeof number);
  return number;
}

bool Peer::alive() {
  Header request{kGetFeatures, 1, 0};
  Bytes bytes(sizeof request);
  memcpy(bytes.data(), &request, sizeof request);
  send(bytes, {});
  return reply().has_value();
}

bool Peer::closed() {
  char bytes[4096];
  for (;;) {
    pollfd readable{socket_, POLLIN, 0};
    if (poll(&readable, 1, kPatienceMillis) != 1) return false;
    ssize_t got = recv(socket_, bytes, sizeof bytes, 0);
    if (got == 0 || (got < 0 && is_end(errno))) return true;
    if (got < 0) return false;
  }
}

bool Peer::hung_up() const {
  pollfd end{socket_, 0, 0};
  return poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR)) != 0;
}

void Peer::linger(int millis) const {
  pollfd end{socket_, 0, 0};
  poll(&end, 1, millis);
}

void Peer::half_close() const { shutdown(socket_, SHUT_WR); }

}  // namespace hostile
