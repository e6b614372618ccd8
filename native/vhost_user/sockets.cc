// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace usvhost {

namespace {

Status make_address(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return failure("USV_SOCKET_PATH", "expected a socket path of 1 to %zu bytes, got %zu", sizeof address.sun_path - 1,
                   path.size());
  }
  memcpy(address.sun_path, path.data(), path.size());
  return {};
}

Status open_socket(Fd& out) {
  out.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) return system_failure("USV_IO", "socket");
  return {};
}

Status remove_stale(const std::string& path) {
  struct stat facts{};
  if (lstat(path.c_str(), &facts) != 0) return {};
  if (!S_ISSOCK(facts.st_mode)) {
    return failure("USV_PORT_OCCUPIED", "expected a free socket path, got another kind of file at %s", path.c_str());
  }
  Fd probe;
  // Only a refused connection proves that nobody serves the path: a full backlog fails too, and is not stale.
  if (Status status = connect_to(path, probe); status.ok() || strcmp(status.code, "USV_SOCKET_MISSING") != 0) {
    return failure("USV_PORT_OCCUPIED", "expected a free socket path, got one that is being served: %s", path.c_str());
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return system_failure("USV_IO", "unlink " + path);
  return {};
}

Status nobody_listens(const std::string& path) {
  return system_failure("USV_SOCKET_MISSING", "expected a vhost-user peer listening at " + path);
}

/** `path` is what people know `address` by. */
Status connect_socket(const sockaddr_un& address, const std::string& path, Fd& out) {
  if (Status status = open_socket(out); !status.ok()) return status;
  if (connect(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
  // EAGAIN: the listener's backlog is full; there is no connection that would complete later on a unix socket.
  Status status =
      errno == ENOENT || errno == ECONNREFUSED ? nobody_listens(path) : system_failure("USV_IO", "connect to " + path);
  out.reset();
  return status;
}

}  // namespace

Status connect_to(const std::string& path, Fd& out) {
  sockaddr_un address;
  if (Status status = make_address(path, address); !status.ok()) return status;
  return connect_socket(address, path, out);
}

Status connect_to_foreign(const std::string& path, Fd& out) {
  // The descriptor holds the entry itself, a link too: whatever is put under the name afterwards is not looked at again.
  Fd entry(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!entry) return errno == ENOENT ? nobody_listens(path) : system_failure("USV_IO", "open " + path);
  struct stat facts{};
  if (fstat(entry.get(), &facts) != 0) return system_failure("USV_IO", "fstat of " + path);
  if (!S_ISSOCK(facts.st_mode)) {
    return failure("USV_PORT_OCCUPIED", "expected a socket, got another kind of file at %s", path.c_str());
  }
  sockaddr_un address;
  if (Status status = make_address("/proc/self/fd/" + std::to_string(entry.get()), address); !status.ok()) {
    return status;
  }
  return connect_socket(address, path, out);
}

Status listen_on(const ListenOptions& options, Fd& out) {
  sockaddr_un address;
  if (Status status = make_address(options.path, address); !status.ok()) return status;
  if (Status status = remove_stale(options.path); !status.ok()) return status;
  Fd socket;
  if (Status status = open_socket(socket); !status.ok()) return status;
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return system_failure("USV_IO", "bind to " + options.path);
  }
  Status status;
  if (chmod(options.path.c_str(), options.mode) != 0) {
    status = system_failure("USV_IO", "chmod of " + options.path);
  } else if ((options.uid != static_cast<uid_t>(-1) || options.gid != static_cast<gid_t>(-1)) &&
             chown(options.path.c_str(), options.uid, options.gid) != 0) {
    status = system_failure("USV_IO", "chown of " + options.path);
  } else if (listen(socket.get(), 4) != 0) {
    status = system_failure("USV_IO", "listen on " + options.path);
  }
  if (!status.ok()) {
    unlink(options.path.c_str());
    return status;
  }
  out = std::move(socket);
  return {};
}

}  // namespace usvhost
