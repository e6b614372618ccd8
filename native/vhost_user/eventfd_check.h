// SPDX-License-Identifier: Apache-2.0
// Whether a descriptor that a peer sent is an eventfd. Only such a one may be written by a data thread: a write to
// a pipe without reader raises SIGPIPE, and one to a file of the peer's own file system may never return.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace usvhost {

/** Asks the kernel by name (proc(5), /proc/pid/fd/): fstat() knows anonymous inodes only as one kind. */
inline bool is_eventfd(int fd) {
  char path[32];
  char target[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(path, target, sizeof target);
  return length > 0 && std::string_view(target, static_cast<size_t>(length)) == "anon_inode:[eventfd]";
}

}  // namespace usvhost
