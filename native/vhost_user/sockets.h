// SPDX-License-Identifier: Apache-2.0
// Unix stream sockets for vhost-user: listening with owner and mode, connecting without blocking.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/status.h"

namespace usvhost {

struct ListenOptions {
  std::string path;
  uint32_t mode = 0666;
  uid_t uid = static_cast<uid_t>(-1);  // -1: not changed
  gid_t gid = static_cast<gid_t>(-1);
};

/**
 * Binds, sets owner and mode, then listens, so that nobody can connect before they are set. A stale socket file is
 * replaced; one that somebody still serves fails with USV_PORT_OCCUPIED, a path over 107 bytes with USV_SOCKET_PATH.
 */
Status listen_on(const ListenOptions& options, Fd& out);

/** One non-blocking attempt; USV_SOCKET_MISSING when nothing is there, USV_IO otherwise. */
Status connect_to(const std::string& path, Fd& out);

/**
 * As connect_to(), into a directory where somebody else makes the entries: the last name may be a socket and nothing
 * else, and what was looked at is what is connected to. USV_PORT_OCCUPIED for a link or any other kind of file.
 */
Status connect_to_foreign(const std::string& path, Fd& out);

}  // namespace usvhost
