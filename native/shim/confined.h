// SPDX-License-Identifier: Apache-2.0
// The only door to the file system: every path of a step is looked up below <root>/run/usvhost, or is a name in the one
// directory that device information has; symbolic links and ".." are refused by the kernel (openat2), and all work
// is done on descriptors. Nothing here follows a path twice.
#pragma once

#include "bytes.h"

namespace usvhost::shim {

class ConfinedDir {
 public:
  // Opens <root>/run/usvhost. Returns errno, 0 when done.
  int open(const char* root);

  // Opens <root>/var/run/k8s.cni.cncf.io/devinfo/cni, where Multus looks for what a plugin says about an interface;
  // `make`: with its directories, down from <root>/var/run. Returns errno.
  int openDeviceInfo(const char* root, bool make);

  // Its absolute path, as the kernel has it now. Returns errno.
  int path(char* out, size_t size) const;

  // Opens the directory a path names, as O_PATH. Returns errno.
  int openDirectory(const char* path, Fd* out) const;

  // Opens the parent of a path and gives its last component, which is a plain name. Returns errno.
  int openParent(const char* path, Fd* parent, const char** name) const;

 private:
  Fd dir_;
};

}  // namespace usvhost::shim
