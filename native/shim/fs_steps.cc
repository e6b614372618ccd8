// SPDX-License-Identifier: Apache-2.0
// Steps on files and mounts, by descriptor only. A descriptor says in which mount namespace a file is found; mounting and
// unmounting must also be done by a process in it.
#include "fs_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace usvhost::shim {
namespace {

// `bits`: those of a mode that may be given at all; a file that changes its caller's user is nothing the project makes.
int setOwnerAndMode(int fd, uint32_t uid, uint32_t gid, uint32_t mode, uint32_t bits) {
  if (fchown(fd, uid, gid) != 0) return errno;
  // After the owner: a change of owner may clear mode bits, and the umask must not take part.
  if (fchmod(fd, mode & bits) != 0) return errno;
  return 0;
}

int writeAll(int fd, const uint8_t* bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace

int makeDirectory(const ConfinedDir& run, const Mkdir& step) {
  Fd parent;
  const char* name = nullptr;
  if (const int error = run.openParent(step.path, &parent, &name); error != 0) return error;
  if (mkdirat(parent.get(), name, 0700) != 0) return errno;
  Fd made(openat(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const int error = made.valid() ? setOwnerAndMode(made.get(), step.uid, step.gid, step.mode, 01777) : errno;
  if (error != 0) unlinkat(parent.get(), name, AT_REMOVEDIR);
  return error;
}

int removeDirectory(const ConfinedDir& run, const HostMounts& mounts, const PathStep& step) {
  Fd parent;
  const char* name = nullptr;
  if (const int error = run.openParent(step.path, &parent, &name); error != 0) return error;
  // A directory is busy for those in whose namespace something is mounted on it: ours may have a stale copy of a mount.
  return mounts.inside([&] { return unlinkat(parent.get(), name, AT_REMOVEDIR) == 0 ? 0 : errno; });
}

int writeFile(const ConfinedDir& run, const WriteFile& step, const uint8_t* content, size_t size) {
  Fd parent;
  const char* name = nullptr;
  if (const int error = run.openParent(step.path, &parent, &name); error != 0) return error;
  char temporary[32];
  snprintf(temporary, sizeof temporary, ".write-%d", getpid());
  Fd file(openat(parent.get(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return errno;
  int error = writeAll(file.get(), content, size);
  if (error == 0) error = setOwnerAndMode(file.get(), step.uid, step.gid, step.mode, 0777);
  if (error == 0 && renameat(parent.get(), temporary, parent.get(), name) != 0) error = errno;
  if (error != 0) unlinkat(parent.get(), temporary, 0);
  return error;
}

int unlinkFile(const ConfinedDir& run, const PathStep& step) {
  Fd parent;
  const char* name = nullptr;
  if (const int error = run.openParent(step.path, &parent, &name); error != 0) return error;
  return unlinkat(parent.get(), name, 0) == 0 ? 0 : errno;
}

int bindDirectory(const ConfinedDir& run, const HostMounts& mounts, const Bind& step) {
  Fd source;
  Fd target;
  if (const int error = run.openDirectory(step.source, &source); error != 0) return error;
  if (const int error = run.openDirectory(step.target, &target); error != 0) return error;
  return mounts.inside([&] {
    Fd tree(open_tree(source.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    if (!tree.valid()) return errno;
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    if ((step.flags & kBindReadOnly) != 0) attributes.attr_set |= MOUNT_ATTR_RDONLY;
    if (mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) return errno;
    const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    return move_mount(tree.get(), "", target.get(), "", flags) == 0 ? 0 : errno;
  });
}

int mountSmallFs(const ConfinedDir& run, const HostMounts& mounts, const SmallFs& step) {
  Fd target;
  if (const int error = run.openDirectory(step.path, &target); error != 0) return error;
  return mounts.inside([&] {
    Fd fs(fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!fs.valid()) return errno;
    char bytes[16];
    char inodes[16];
    char mode[16];
    snprintf(bytes, sizeof bytes, "%u", step.bytes);
    snprintf(inodes, sizeof inodes, "%u", step.inodes);
    snprintf(mode, sizeof mode, "%o", step.mode & 07777);
    // The name of the directory is what the mount table shows as the source, wherever the file system is bound.
    const char* slash = strrchr(step.path, '/');
    const char* name = slash == nullptr ? step.path : slash + 1;
    const char* const options[][2] = {{"source", name}, {"size", bytes}, {"nr_inodes", inodes}, {"mode", mode}};
    for (const auto& [key, value] : options) {
      if (fsconfig(fs.get(), FSCONFIG_SET_STRING, key, value, 0) != 0) return errno;
    }
    if (fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return errno;
    const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
    Fd made(fsmount(fs.get(), FSMOUNT_CLOEXEC, attributes));
    if (!made.valid()) return errno;
    const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    return move_mount(made.get(), "", target.get(), "", flags) == 0 ? 0 : errno;
  });
}

int unmountDirectory(const ConfinedDir& run, const HostMounts& mounts, const PathStep& step) {
  Fd parent;
  const char* name = nullptr;
  if (const int error = run.openParent(step.path, &parent, &name); error != 0) return error;
  // umount2 takes no descriptor, and UMOUNT_NOFOLLOW refuses /proc/self/fd; a name in the current directory
  // is as exact.
  return mounts.inside([&] {
    if (fchdir(parent.get()) != 0) return errno;
    const int error = umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
    return chdir("/") == 0 ? error : errno;
  });
}

int statPath(const ConfinedDir& run, const PathStep& step, StatInfo* out) {
  Fd parent;
  const char* name = nullptr;
  if (const int error = run.openParent(step.path, &parent, &name); error != 0) return error;
  struct statx info = {};
  if (statx(parent.get(), name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &info) != 0) return errno;
  *out = StatInfo{};
  out->mode = info.stx_mode;
  out->uid = info.stx_uid;
  out->gid = info.stx_gid;
  out->mountRoot = (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ? 1 : 0;
  out->device = makedev(info.stx_dev_major, info.stx_dev_minor);
  out->inode = info.stx_ino;
  return 0;
}

}  // namespace usvhost::shim
