// SPDX-License-Identifier: Apache-2.0
// The front-end's shared memory: one segment, one region, one file descriptor for all ports of a driver.
// A memfd is sealed against shrinking, growing and further seals before anyone else sees it, so that a back-end
// can trust its size; the kernel has no seals for files in /dev/shm and on hugetlbfs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/status.h"

namespace usvhost {

enum class SegmentKind : uint8_t {
  kMemfd,      // anonymous, sealed; the default
  kShm,        // a POSIX shared memory file in /dev/shm, unlinked as soon as it is open
  kHugetlbfs,  // a file on a hugetlbfs mount, unlinked as soon as it is open
  kLent,       // a file that somebody else has made, large enough, of which the beginning is used and the size is kept
};

struct SegmentOptions {
  SegmentKind kind = SegmentKind::kMemfd;
  size_t bytes = 0;        // rounded up to the page size of the kind
  std::string place = {};  // kHugetlbfs: the mount point; kShm: a directory, default /dev/shm; kLent: the file
  int cpu = -1;            // its pages come from this CPU's NUMA node while that has any; -1: from the caller's own
};

class Segment {
 public:
  Segment() = default;
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  /** Creates (or opens), sizes, maps, pre-faults and (memfd) seals: all zeroes. Fails with USV_MEMORY; then nothing is left behind. */
  Status create(const SegmentOptions& options);

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  int fd() const { return fd_.get(); }
  bool sealed() const { return sealed_; }

 private:
  Fd fd_;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  bool sealed_ = false;
};

}  // namespace usvhost
