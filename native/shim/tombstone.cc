// SPDX-License-Identifier: Apache-2.0
// The file by rename and fsync; the mount from the kernel's table.
#include "tombstone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs_steps.h"
#include "sha256.h"

namespace usvhost::shim {
namespace {

constexpr size_t kNameDigits = 32;
constexpr size_t kPortDigits = 14;
constexpr size_t kPortName = 1 + kPortDigits + 1;
constexpr size_t kMaxContainerId = 256;

// The directory, made when absent: only root may look into it.
int openTombstones(const char* root, Fd* out) {
  char path[512];
  if (snprintf(path, sizeof path, "%s/var/lib/usvhost", root) >= static_cast<int>(sizeof path)) return ENAMETOOLONG;
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return errno;
  Fd state(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!state.valid()) return errno;
  if (mkdirat(state.get(), "tombstones", 0700) != 0 && errno != EEXIST) return errno;
  *out = Fd(openat(state.get(), "tombstones", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return out->valid() ? 0 : errno;
}

// The agent, whose directory it is, may be another user than the runtime.
int giveToOwner(int file, int directory) {
  struct stat info;
  if (fstat(directory, &info) != 0) return errno;
  if (info.st_uid == geteuid() && info.st_gid == getegid()) return 0;
  return fchown(file, info.st_uid, info.st_gid) == 0 ? 0 : errno;
}

int writeWhole(int fd, const Bytes& content) {
  for (size_t done = 0; done < content.size();) {
    const ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    done += static_cast<size_t>(n);
  }
  return fsync(fd) == 0 ? 0 : errno;
}

// As portName() of lib/names.ts; false for an id that CNI does not allow.
bool portName(const char* containerId, const char* ifname, char (&out)[kPortName]) {
  char text[kMaxContainerId + 1 + kIfnameSize];
  const size_t length = strlen(containerId);
  if (length > kMaxContainerId || strlen(ifname) >= kIfnameSize) return false;
  const int size = snprintf(text, sizeof text, "%s%c%s", containerId, 0, ifname);
  out[0] = 'p';
  sha256Hex(text, static_cast<size_t>(size), kPortDigits, out + 1);
  return true;
}

// The field that `*at` stands on, ended by a NUL; `*at` moves to the next one.
const char* nextField(char** at) {
  char* field = *at;
  char* end = strchrnul(field, ' ');
  *at = *end == 0 ? end : end + 1;
  *end = 0;
  return field;
}

// True when the root of a mount is that port's directory, which the switch may have removed meanwhile.
bool showsPort(const char* mountRoot, const char* port) {
  const char* ports = strstr(mountRoot, "/ports/p");
  if (ports == nullptr) return false;
  const char* name = ports + strlen("/ports/");
  const size_t length = strlen(port);
  return strncmp(name, port, length) == 0 && (name[length] == 0 || strcmp(name + length, "//deleted") == 0);
}

// "pods/<device>/<ifname>" when the mount point is that below the run directory `prefix`, else null.
const char* placeOf(const char* point, const char* prefix, const char* ifname) {
  const size_t length = strlen(prefix);
  if (strncmp(point, prefix, length) != 0 || strncmp(point + length, "/pods/", 6) != 0) return nullptr;
  const char* device = point + length + 6;
  const char* slash = strchr(device, '/');
  return slash != nullptr && strcmp(slash + 1, ifname) == 0 ? point + length + 1 : nullptr;
}

void unmountPort(const HostMounts& mounts, const ConfinedDir& run, const char* port, const char* ifname) {
  char prefix[512];
  if (run.path(prefix, sizeof prefix) != 0) return;
  FILE* table = fopen(mounts.table(), "re");
  if (table == nullptr) return;
  // A port's own file system (fs_steps.h, mountSmallFs) shows its top everywhere, and the port as its source.
  char source[kPortName + 16];
  snprintf(source, sizeof source, " - tmpfs %s ", port);
  char* line = nullptr;
  size_t capacity = 0;
  while (getline(&line, &capacity, table) > 0) {
    char* at = line;
    const bool ownFs = strstr(line, source) != nullptr;
    for (int skipped = 0; skipped < 3; skipped++) nextField(&at);  // id, parent, device
    const char* mountRoot = nextField(&at);
    const char* place = placeOf(nextField(&at), prefix, ifname);
    PathStep step = {};
    if (place == nullptr || (!ownFs && !showsPort(mountRoot, port)) || strlen(place) >= sizeof step.path) continue;
    strcpy(step.path, place);
    if (unmountDirectory(run, mounts, step) == 0) removeDirectory(run, mounts, step);
  }
  free(line);
  fclose(table);
}

}  // namespace

int writeTombstone(const char* root, const Request& request, const Bytes& values) {
  Bytes content;
  const FrameHeader header = {.magic = kMagic,
                              .kind = static_cast<uint16_t>(Kind::kRequest),
                              .reserved = 0,
                              .sequence = 0,
                              .length = static_cast<uint32_t>(sizeof request + values.size())};
  if (!content.append(&header, sizeof header) || !content.append(&request, sizeof request) ||
      !content.append(values.data(), values.size())) {
    return ENOMEM;
  }
  // Named by its content: the same DEL again is the same file, and two DELs never take each other's place.
  char name[kNameDigits + 1];
  sha256Hex(content.data(), content.size(), kNameDigits, name);
  Fd directory;
  if (const int error = openTombstones(root, &directory); error != 0) return error;
  char temporary[32];
  snprintf(temporary, sizeof temporary, ".write-%d", getpid());
  Fd file(openat(directory.get(), temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return errno;
  int error = giveToOwner(file.get(), directory.get());
  if (error == 0) error = writeWhole(file.get(), content);
  if (error == 0 && renameat(directory.get(), temporary, directory.get(), name) != 0) error = errno;
  if (error == 0 && fsync(directory.get()) != 0) error = errno;
  if (error != 0) unlinkat(directory.get(), temporary, 0);
  return error;
}

void deleteAlone(const HostMounts& mounts, const ConfinedDir& run, Links& links, const char* containerId,
                 const char* ifname) {
  char port[kPortName];
  if (!portName(containerId, ifname, port)) return;
  TapDelete tap = {};
  strcpy(tap.ifname, ifname);
  snprintf(tap.alias, sizeof tap.alias, "usvhost %s", port);
  links.tapDelete(tap);
  unmountPort(mounts, run, port, ifname);
}

}  // namespace usvhost::shim
