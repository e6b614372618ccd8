// SPDX-License-Identifier: Apache-2.0
// Descriptors opened below /proc/1/root lie on the mounts of process 1's namespace, so that a mount step may use them after
// setns().
#include "host_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace usvhost::shim {

void HostMounts::find() {
  Fd target(::open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC));
  struct stat theirs = {};
  struct stat ours = {};
  if (!target.valid() || fstat(target.get(), &theirs) != 0 || stat("/proc/self/ns/mnt", &ours) != 0) return;
  if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino) return;
  if (!Fd(::open("/proc/1/root/run/usvhost", O_PATH | O_DIRECTORY | O_CLOEXEC)).valid()) return;
  target_ = std::move(target);
  // Whoever may look may not always enter; without the right to enter, the mounts stay here.
  if (inside([] { return 0; }) != 0) target_.reset();
}

}  // namespace usvhost::shim
