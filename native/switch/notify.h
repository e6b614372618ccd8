// SPDX-License-Identifier: Apache-2.0
// Signals a peer's eventfd without ever waiting for it.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cstdint>

namespace usvhost {

/**
 * The descriptor is the peer's and may be full or of a blocking kind: it is written only when it has room, so that a
 * counter that nobody reads cannot stop a data thread. A full counter is already a pending notification.
 */
inline void notify(int fd) {
  if (fd < 0) return;
  pollfd ready{fd, POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(fd, &one, sizeof one);
}

}  // namespace usvhost
