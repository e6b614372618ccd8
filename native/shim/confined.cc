// SPDX-License-Identifier: Apache-2.0
// openat2 lookups below the project's run directory and the directory of device information.
#include "confined.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "protocol.h"

namespace usvhost::shim {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

int openBeneath(int dir, const char* path, uint64_t flags, Fd* out, uint64_t resolve = kBeneath) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  for (;;) {
    const long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd >= 0) {
      *out = Fd(static_cast<int>(fd));
      return 0;
    }
    // EAGAIN: a rename raced with the lookup of ".."-free path; the kernel asks for another try.
    if (errno != EINTR && errno != EAGAIN) return errno;
  }
}

bool isPlainName(const char* name) {
  return name[0] != 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strchr(name, '/') == nullptr;
}

}  // namespace

int ConfinedDir::open(const char* root) {
  Fd base(::open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!base.valid()) return errno;
  return openBeneath(base.get(), "run/usvhost", O_PATH | O_DIRECTORY, &dir_);
}

int ConfinedDir::openDeviceInfo(const char* root, bool make) {
  Fd at(::open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!at.valid()) return errno;
  // On most systems var/run is a symbolic link, of the system's own making.
  int error = openBeneath(at.get(), "var/run", O_PATH | O_DIRECTORY, &at, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  for (const char* name : {"k8s.cni.cncf.io", "devinfo", "cni"}) {
    if (error != 0) return error;
    if (make && mkdirat(at.get(), name, 0755) != 0 && errno != EEXIST) return errno;
    error = openBeneath(at.get(), name, O_PATH | O_DIRECTORY, &at);
  }
  dir_ = std::move(at);
  return error;
}

int ConfinedDir::path(char* out, size_t size) const {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", dir_.get());
  const ssize_t length = readlink(link, out, size);
  if (length < 0) return errno;
  if (static_cast<size_t>(length) == size) return ENAMETOOLONG;
  out[length] = 0;
  return 0;
}

int ConfinedDir::openDirectory(const char* path, Fd* out) const {
  Fd parent;
  const char* name = nullptr;
  if (const int error = openParent(path, &parent, &name); error != 0) return error;
  return openBeneath(parent.get(), name, O_PATH | O_DIRECTORY, out);
}

int ConfinedDir::openParent(const char* path, Fd* parent, const char** name) const {
  if (!dir_.valid()) return ENOENT;
  const char* slash = strrchr(path, '/');
  *name = slash == nullptr ? path : slash + 1;
  if (path[0] == '/' || !isPlainName(*name)) return EINVAL;
  char folder[kPathSize] = ".";
  if (slash != nullptr) {
    const size_t length = static_cast<size_t>(slash - path);
    if (length >= sizeof folder) return ENAMETOOLONG;
    memcpy(folder, path, length);
    folder[length] = 0;
  }
  // The kernel accepts "a/../b" beneath; the project never makes such a path, so it is refused by its text.
  for (const char* at = folder; at != nullptr; at = strchr(at, '/')) {
    if (*at == '/') at++;
    if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0)) return EINVAL;
  }
  return openBeneath(dir_.get(), folder, O_PATH | O_DIRECTORY, parent);
}

}  // namespace usvhost::shim
