// SPDX-License-Identifier: Apache-2.0
#include "memory/segment.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <atomic>

namespace usvhost {

namespace {

Fd open_unlinked(const std::string& directory, Status& status) {
  // O_TMPFILE never has a name, so a crash leaves nothing; hugetlbfs knows it since Linux 4.14, tmpfs since 3.11.
  Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  static std::atomic<unsigned> serial{0};
  std::string path = directory + "/usvhost-" + std::to_string(getpid()) + "-" + std::to_string(serial++);
  fd.reset(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) {
    status = system_failure("USV_MEMORY", "a shared memory file in " + directory);
  } else {
    ::unlink(path.c_str());
  }
  return fd;
}

}  // namespace

Segment::~Segment() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Status Segment::create(const SegmentOptions& options) {
  Status status;
  size_t page = 4096;
  Fd fd;
  if (options.kind == SegmentKind::kMemfd) {
    fd.reset(memfd_create("usvhost", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return system_failure("USV_MEMORY", "memfd_create");
  } else {
    const std::string directory = options.directory.empty() ? "/dev/shm" : options.directory;
    fd = open_unlinked(directory, status);
    if (!fd) return status;
    struct statfs fs{};
    if (fstatfs(fd.get(), &fs) != 0) return system_failure("USV_MEMORY", "fstatfs " + directory);
    bool huge = fs.f_type == HUGETLBFS_MAGIC;
    if (options.kind == SegmentKind::kHugetlbfs && !huge) {
      return failure("USV_MEMORY", "expected a hugetlbfs mount at %s, got another file system", directory.c_str());
    }
    if (huge) page = static_cast<size_t>(fs.f_bsize);
  }
  size_t bytes = (options.bytes + page - 1) / page * page;
  if (bytes == 0) return failure("USV_MEMORY", "expected a segment of at least one byte, got 0");
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return system_failure("USV_MEMORY", "ftruncate");
  // MAP_POPULATE: the pod pays for its pages now and in its own memory cgroup, not the switch later. It does not
  // report a failure, so the pages are asked for once more below.
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (mapped == MAP_FAILED) return system_failure("USV_MEMORY", "mmap of " + std::to_string(bytes) + " bytes");
  if (posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)) != 0) {
    munmap(mapped, bytes);
    return failure("USV_MEMORY", "expected room for %zu bytes of shared memory, got less", bytes);
  }
  if (options.kind == SegmentKind::kMemfd &&
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    status = system_failure("USV_MEMORY", "F_ADD_SEALS");
    munmap(mapped, bytes);
    return status;
  }
  fd_ = std::move(fd);
  data_ = static_cast<uint8_t*>(mapped);
  size_ = bytes;
  sealed_ = options.kind == SegmentKind::kMemfd;
  return {};
}

}  // namespace usvhost
