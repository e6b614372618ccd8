// SPDX-License-Identifier: Apache-2.0
// setns() into the pod's network namespace and back; the shim has one thread, so the thread is the process.
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

namespace usvhost::shim {

int Netns::open() {
  if (target_.valid()) return 0;
  if (path_ == nullptr || path_[0] == 0) return ENOENT;
  // O_NONBLOCK: the path could name a pipe; it must not hold the shim up before fstatfs has looked at it.
  Fd target(::open(path_, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!target.valid()) return errno;
  struct statfs info = {};
  if (fstatfs(target.get(), &info) != 0) return errno;
  if (info.f_type != NSFS_MAGIC || ioctl(target.get(), NS_GET_NSTYPE) != CLONE_NEWNET) return EINVAL;
  home_ = Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home_.valid()) return errno;
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
