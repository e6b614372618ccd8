// SPDX-License-Identifier: Apache-2.0
// The mount namespace of the node. A runtime may start the shim in another one (Multus thick does, in a chroot), where a
// mount would be seen by no pod; process 1's is the one whose mounts reach all others. Looks, enters, decides
// nothing else.
#pragma once

#include <errno.h>
#include <sched.h>
#include <sys/wait.h>

#include "bytes.h"

namespace usvhost::shim {

class HostMounts {
 public:
  // Finds process 1's mount namespace when it is another one than ours, may be entered, and has the run directory of a
  // node. In any other case the namespace we are in is taken for the node's: a process 1 that shares nothing but its
  // process namespace with us says nothing about mounts.
  void find();

  // Path of the root directory as it is there.
  const char* root() const { return target_.valid() ? "/proc/1/root" : "/"; }

  // Path of the table of its mounts.
  const char* table() const { return target_.valid() ? "/proc/1/mountinfo" : "/proc/self/mountinfo"; }

  // Calls step() where mounts belong and returns its errno. Another namespace is entered by a child: the way back would
  // need our root and working directory again, which setns() changes.
  template <typename Step>
  int inside(Step step) const {
    if (!target_.valid()) return step();
    const pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) _exit(setns(target_.get(), CLONE_NEWNS) == 0 ? step() : errno);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
  }

 private:
  Fd target_;
};

}  // namespace usvhost::shim
