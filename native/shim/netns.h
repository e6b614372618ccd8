// SPDX-License-Identifier: Apache-2.0
// Entering the pod's network namespace, the one that CNI_NETNS names and no other, and always coming back.
#pragma once

#include "bytes.h"

namespace usvhost::shim {

class Netns {
 public:
  // The path is CNI_NETNS, null when the runtime gave none (then open() reports ENOENT).
  explicit Netns(const char* path) : path_(path) {}

  // Opens the target once and checks that it is a network namespace, and not the shim's own. Returns errno.
  int open();
  int target() const { return target_.get(); }
  int home() const { return home_.get(); }

 private:
  const char* path_;
  Fd target_;
  Fd home_;
};

// Inside the namespace while it lives. A way back that fails ends the process: no later step may run in the
// wrong place.
class NetnsScope {
 public:
  explicit NetnsScope(const Netns& netns);
  ~NetnsScope();
  NetnsScope(const NetnsScope&) = delete;
  NetnsScope& operator=(const NetnsScope&) = delete;
  int error() const { return error_; }

 private:
  int home_;
  int error_;
};

}  // namespace usvhost::shim
