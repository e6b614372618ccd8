// SPDX-License-Identifier: Apache-2.0
// The same walk as switch/foreign-directory.ts: every step works on an open directory and one name in it, and what lies
// deeper is lifted to the top, so that depth costs neither stack nor descriptors.
#include "empty_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

namespace usvhost::shim {
namespace {

// Removals and moves in one call: more than the inodes of a usual /run, and well below a second.
constexpr unsigned kMaxSteps = 200'000;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

class Listing {
 public:
  // Takes a descriptor of its own: reading moves the position.
  explicit Listing(int directory) {
    const int own = openat(directory, ".", kDirectory);
    if (own < 0) return;
    dir_ = fdopendir(own);
    if (dir_ == nullptr) close(own);
  }
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;
  ~Listing() {
    if (dir_ != nullptr) closedir(dir_);
  }

  // Null at the end.
  const char* next() {
    while (dir_ != nullptr) {
      const dirent* entry = readdir(dir_);
      if (entry == nullptr) return nullptr;
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return entry->d_name;
    }
    return nullptr;
  }

 private:
  DIR* dir_ = nullptr;
};

bool removed(int directory, const char* name) {
  return unlinkat(directory, name, 0) == 0 || unlinkat(directory, name, AT_REMOVEDIR) == 0;
}

// Moves what the directory `name` holds up into `top`. Returns how many were moved.
unsigned lift(int top, const char* name, unsigned* serial, unsigned limit) {
  Fd child(openat(top, name, kDirectory));
  if (!child.valid()) return 0;
  unsigned moved = 0;
  Listing listing(child.get());
  for (const char* entry = listing.next(); entry != nullptr && moved < limit; entry = listing.next()) {
    char target[32];
    snprintf(target, sizeof target, ".lifted-%u", (*serial)++);
    if (renameat2(child.get(), entry, top, target, RENAME_NOREPLACE) == 0) moved++;
  }
  return moved;
}

}  // namespace

int emptyDirectory(const ConfinedDir& run, const PathStep& step) {
  Fd found;
  if (const int error = run.openDirectory(step.path, &found); error != 0) return error;
  Fd top(openat(found.get(), ".", kDirectory));
  if (!top.valid()) return errno;
  unsigned serial = 0;
  unsigned steps = 0;
  for (bool progress = true; progress && steps < kMaxSteps;) {
    progress = false;
    Listing listing(top.get());
    for (const char* name = listing.next(); name != nullptr && steps < kMaxSteps; name = listing.next()) {
      steps++;
      if (removed(top.get(), name)) {
        progress = true;
        continue;
      }
      const unsigned moved = lift(top.get(), name, &serial, kMaxSteps - steps);
      steps += moved;
      progress = progress || moved > 0;
    }
  }
  return 0;
}

}  // namespace usvhost::shim
