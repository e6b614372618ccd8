// SPDX-License-Identifier: Apache-2.0
// Blocking stream socket with send and receive timeouts.
#include "agent_link.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace usvhost::shim {
namespace {

// Longer than any wait of the agent between two steps (its calls to the switch end within 5 s).
constexpr timeval kTimeout = {.tv_sec = 30, .tv_usec = 0};

int receiveAll(int fd, void* bytes, size_t size) {
  auto* at = static_cast<uint8_t*>(bytes);
  while (size > 0) {
    const ssize_t n = recv(fd, at, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    if (n == 0) return ECONNRESET;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

int sendAll(int fd, const void* bytes, size_t size, int flags) {
  const auto* at = static_cast<const uint8_t*>(bytes);
  while (size > 0) {
    const ssize_t n = ::send(fd, at, size, MSG_NOSIGNAL | flags);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace

int AgentLink::connect(const char* socketPath) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(socketPath) >= sizeof address.sun_path) return ENAMETOOLONG;
  strcpy(address.sun_path, socketPath);
  socket_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_.valid()) return errno;
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout) != 0) return errno;
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &kTimeout, sizeof kTimeout) != 0) return errno;
  return ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

int AgentLink::send(Kind kind, uint32_t sequence, const void* head, size_t headSize, const void* tail,
                    size_t tailSize) {
  const FrameHeader header = {.magic = kMagic,
                              .kind = static_cast<uint16_t>(kind),
                              .reserved = 0,
                              .sequence = sequence,
                              .length = static_cast<uint32_t>(headSize + tailSize)};
  int error = sendAll(socket_.get(), &header, sizeof header, MSG_MORE);
  if (error == 0) error = sendAll(socket_.get(), head, headSize, tailSize > 0 ? MSG_MORE : 0);
  if (error == 0) error = sendAll(socket_.get(), tail, tailSize, 0);
  return error;
}

int AgentLink::receive(FrameHeader* header, Bytes* body) {
  if (const int error = receiveAll(socket_.get(), header, sizeof *header); error != 0) return error;
  if (header->magic != kMagic || header->length > kMaxBody) return EPROTO;
  body->clear();
  if (header->length == 0) return 0;
  uint8_t* at = body->extend(header->length);
  return at == nullptr ? ENOMEM : receiveAll(socket_.get(), at, header->length);
}

}  // namespace usvhost::shim
