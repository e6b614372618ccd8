// SPDX-License-Identifier: Apache-2.0
// setns() into the pod's network namespace and back; the shim has one thread, so the thread is the process.
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace usvhost::shim {
namespace {

bool isSameFile(int one, int other) {
  struct stat a = {};
  struct stat b = {};
  return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

int Netns::open() {
  if (target_.valid()) return 0;
  if (path_ == nullptr || path_[0] == 0) return ENOENT;
  // O_PATH: the path could name a device or a pipe, which must not notice before fstatfs has looked.
  const Fd named(::open(path_, O_PATH | O_CLOEXEC));
  if (!named.valid()) return errno;
  struct statfs info = {};
  if (fstatfs(named.get(), &info) != 0) return errno;
  if (info.f_type != NSFS_MAGIC) return EINVAL;
  char again[32];
  snprintf(again, sizeof again, "/proc/self/fd/%d", named.get());
  Fd target(::open(again, O_RDONLY | O_CLOEXEC));
  if (!target.valid()) return errno;
  if (ioctl(target.get(), NS_GET_NSTYPE) != CLONE_NEWNET) return EINVAL;
  home_ = Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home_.valid()) return errno;
  if (isSameFile(home_.get(), target.get())) return EINVAL;
  target_ = std::move(target);
  return 0;
}

// The way back is tried first: without CAP_SYS_ADMIN over the home namespace there would be none.
NetnsScope::NetnsScope(const Netns& netns)
    : home_(netns.home()),
      error_(setns(netns.home(), CLONE_NEWNET) == 0 && setns(netns.target(), CLONE_NEWNET) == 0 ? 0 : errno) {}

NetnsScope::~NetnsScope() {
  if (error_ == 0 && setns(home_, CLONE_NEWNET) != 0) abort();
}

}  // namespace usvhost::shim
