// SPDX-License-Identifier: Apache-2.0
#include "memory/segment.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <atomic>
#include <cstring>

#include "base/cpu.h"

namespace usvhost {

namespace {

constexpr size_t kPage = 4096;

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

Fd open_lent(const std::string& path, Status& status) {
  // O_NONBLOCK: a FIFO in its place is refused below instead of being waited for.
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts{};
  if (!fd || fstat(fd.get(), &facts) != 0) {
    status = system_failure("USV_MEMORY", "the shared memory file " + path);
    return {};
  }
  if (S_ISREG(facts.st_mode)) return fd;
  status = failure("USV_MEMORY", "expected a regular file at %s, got another kind", path.c_str());
  return {};
}

Status check_lent(int fd, size_t bytes) {
  struct stat facts{};
  if (fstat(fd, &facts) != 0) return system_failure("USV_MEMORY", "fstat");
  if (bytes <= static_cast<size_t>(facts.st_size)) return {};
  return failure("USV_MEMORY", "expected a shared memory file of at least %zu bytes, got %lld", bytes,
                 static_cast<long long>(facts.st_size));
}

/**
 * Maps `bytes` of the file with all their pages: the pod pays for them now and in its own memory cgroup, not the switch later. Null when
 * it cannot be mapped. `advise`: huge pages are asked for, which has to be before the first page comes. The kernel gives them to shared memory where
 * /sys/kernel/mm/transparent_hugepage/shmem_enabled says advise; elsewhere, and in a kernel without them, the advice changes nothing.
 */
uint8_t* map_populated(int fd, size_t bytes, bool advise) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (advise) madvise(mapped, bytes, MADV_HUGEPAGE);
  // Kernels before 5.14 do not know it. They give the pages to posix_fallocate() then, which the caller asks in any case: this
  // does not tell a file system that is full from a kernel that is old.
  madvise(mapped, bytes, MADV_POPULATE_WRITE);
  return static_cast<uint8_t*>(mapped);
}

}  // namespace

Segment::~Segment() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Status Segment::create(const SegmentOptions& options) {
  // A page comes from the node of the CPU that touches it first (set_mempolicy(2), MPOL_DEFAULT). mbind(2) would say the same, and is what
  // the seccomp profiles of containers refuse.
  CpuVisit visit(options.cpu);
  Status status;
  size_t page = kPage;
  Fd fd;
  if (options.kind == SegmentKind::kMemfd) {
    fd.reset(memfd_create("usvhost", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return system_failure("USV_MEMORY", "memfd_create");
  } else {
    const std::string place = options.place.empty() ? "/dev/shm" : options.place;
    fd = options.kind == SegmentKind::kLent ? open_lent(place, status) : open_unlinked(place, status);
    if (!fd) return status;
    struct statfs fs{};
    if (fstatfs(fd.get(), &fs) != 0) return system_failure("USV_MEMORY", "fstatfs " + place);
    bool huge = fs.f_type == HUGETLBFS_MAGIC;
    if (options.kind == SegmentKind::kHugetlbfs && !huge) {
      return failure("USV_MEMORY", "expected a hugetlbfs mount at %s, got another file system", place.c_str());
    }
    if (huge) page = static_cast<size_t>(fs.f_bsize);
  }
  size_t bytes = (options.bytes + page - 1) / page * page;
  if (bytes == 0) return failure("USV_MEMORY", "expected a segment of at least one byte, got 0");
  if (options.kind == SegmentKind::kLent) {
    status = check_lent(fd.get(), bytes);
    if (!status.ok()) return status;
  } else if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return system_failure("USV_MEMORY", "ftruncate");
  }
  uint8_t* mapped = map_populated(fd.get(), bytes, page == kPage && options.kind != SegmentKind::kLent);
  if (mapped == nullptr) return system_failure("USV_MEMORY", "mmap of " + std::to_string(bytes) + " bytes");
  if (posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)) != 0) {
    munmap(mapped, bytes);
    return failure("USV_MEMORY", "expected room for %zu bytes of shared memory, got less", bytes);
  }
  // Who had it before, our own process too, may have left rings in it.
  if (options.kind == SegmentKind::kLent) memset(mapped, 0, bytes);
  if (options.kind == SegmentKind::kMemfd &&
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    status = system_failure("USV_MEMORY", "F_ADD_SEALS");
    munmap(mapped, bytes);
    return status;
  }
  fd_ = std::move(fd);
  data_ = mapped;
  size_ = bytes;
  sealed_ = options.kind == SegmentKind::kMemfd;
  return {};
}

}  // namespace usvhost
