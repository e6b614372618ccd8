// SPDX-License-Identifier: Apache-2.0
// One shared segment seen from both sides in one process: as the driver's own memory, and as the back-end maps it.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>

#include <vector>

#include "memory/address.h"
#include "memory/fault_guard.h"
#include "memory/region_table.h"
#include "memory/segment.h"
#include "virtio/split_ring.h"

namespace usvhost::test {

class GuestMemory {
 public:
  explicit GuestMemory(size_t bytes) {
    Status status = FaultGuard::install();
    REQUIRE_MESSAGE(status.ok(), status.describe());
    SegmentOptions options;
    options.bytes = bytes;
    status = segment_.create(options);
    REQUIRE_MESSAGE(status.ok(), status.describe());
    RegionClaim claim{address(0), segment_.size(), address(0), 0};
    std::vector<Fd> files;
    files.emplace_back(fcntl(segment_.fd(), F_DUPFD_CLOEXEC, 0));
    status = table_.map({&claim, 1}, files);
    REQUIRE_MESSAGE(status.ok(), status.describe());
  }

  /** The driver's view. */
  uint8_t* at(size_t offset) const { return segment_.data() + offset; }
  /** What stands in a descriptor for at(offset). */
  uint64_t address(size_t offset) const { return guest_address(segment_.data() + offset); }
  uint64_t end() const { return address(segment_.size()); }
  const RegionTable& table() const { return table_; }
  const Segment& segment() const { return segment_; }

  /** The same ring in the back-end's mapping. */
  SplitRing translated(const SplitRing& ring) const {
    auto here = [this](const void* pointer, size_t length) {
      return table_.translate_user(guest_address(pointer), length);
    };
    SplitRing there;
    there.desc = reinterpret_cast<vring_desc*>(here(ring.desc, SplitRing::desc_bytes(ring.size)));
    there.avail = reinterpret_cast<vring_avail*>(here(ring.avail, SplitRing::avail_bytes(ring.size)));
    there.used = reinterpret_cast<vring_used*>(here(ring.used, SplitRing::used_bytes(ring.size)));
    there.size = ring.size;
    REQUIRE(there.desc != nullptr);
    REQUIRE(there.avail != nullptr);
    REQUIRE(there.used != nullptr);
    return there;
  }

 private:
  Segment segment_;
  RegionTable table_;
};

}  // namespace usvhost::test
