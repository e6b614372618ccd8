// SPDX-License-Identifier: Apache-2.0
#include "ready.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "bytes.h"

namespace usvhost::shim {
namespace {

// A dataplane that is still starting has no socket yet, and an abstract one cannot be watched for.
constexpr int kRetryMillis = 10;
constexpr long kMaxMillis = 3'600'000;

int64_t nowMillis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// Returns errno.
int connectTo(const char* name, Fd* out) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t length = strlen(name);
  if (length >= sizeof address.sun_path) return ENAMETOOLONG;
  memcpy(address.sun_path, name, length);
  if (name[0] == '@') address.sun_path[0] = 0;
  // An abstract name is all bytes of the address, a path ends with a NUL (unix(7)).
  const size_t size = offsetof(sockaddr_un, sun_path) + length + (name[0] == '@' ? 0 : 1);
  *out = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!out->valid()) return errno;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(out->get(), generic, static_cast<socklen_t>(size)) == 0 ? 0 : errno;
}

// Waits for the word. Returns errno: ETIMEDOUT at the deadline, ECONNRESET when the dataplane has ended.
int awaitWord(const Fd& socket, int64_t deadline) {
  char word[2];
  size_t have = 0;
  while (have < sizeof word) {
    const int64_t left = deadline - nowMillis();
    pollfd readable = {.fd = socket.get(), .events = POLLIN, .revents = 0};
    const int count = poll(&readable, 1, left > 0 ? static_cast<int>(left) : 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return ETIMEDOUT;
    const ssize_t got = recv(socket.get(), word + have, sizeof word - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return ECONNRESET;
    have += static_cast<size_t>(got);
  }
  return memcmp(word, "up", sizeof word) == 0 ? 0 : EPROTO;
}

}  // namespace

int ready(int count, char** arguments) {
  char* end = nullptr;
  const long millis = count == 2 ? strtol(arguments[1], &end, 10) : -1;
  if (millis < 0 || millis > kMaxMillis || end == arguments[1] || *end != 0) {
    fputs("usage: usvhost ready SOCKET MILLIS\n", stderr);
    return 2;
  }
  const int64_t deadline = nowMillis() + millis;
  for (;;) {
    Fd socket;
    int error = connectTo(arguments[0], &socket);
    if (error == 0) error = awaitWord(socket, deadline);
    if (error == 0) return 0;
    const bool starting = error == ENOENT || error == ECONNREFUSED || error == ECONNRESET || error == EAGAIN;
    if (!starting || nowMillis() >= deadline) {
      const char* why = error == ETIMEDOUT ? "the dataplane runs, but not all its links are up" : strerror(error);
      fprintf(stderr, "%s: %s\n", arguments[0], why);
      return 1;
    }
    poll(nullptr, 0, kRetryMillis);
  }
}

}  // namespace usvhost::shim
