// SPDX-License-Identifier: Apache-2.0
#include "memory/region_table.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cinttypes>
#include <utility>

#include "memory/fault_guard.h"

namespace usvhost {

namespace {

bool wraps(uint64_t start, uint64_t size) { return start + size < start; }

bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) { return a < b + b_size && b < a + a_size; }

/** The one validity function of a region's numbers; what depends on the file is checked when it is mapped. */
Status check_claim(const RegionClaim& claim) {
  if (claim.size == 0) return failure("USV_REGION", "expected a region of at least one byte, got size 0");
  if (wraps(claim.guest_address, claim.size) || wraps(claim.user_address, claim.size) ||
      wraps(claim.mmap_offset, claim.size)) {
    return failure("USV_REGION",
                   "expected a region inside 64 bits, got guest 0x%" PRIx64 " user 0x%" PRIx64 " offset 0x%" PRIx64
                   " size 0x%" PRIx64,
                   claim.guest_address, claim.user_address, claim.mmap_offset, claim.size);
  }
  return {};
}

}  // namespace

Status RegionTable::map_one(const RegionClaim& claim, int file, Region& region) {
  struct stat facts{};
  if (fstat(file, &facts) != 0) return system_failure("USV_REGION", "fstat of a memory region's file");
  if (!S_ISREG(facts.st_mode)) return failure("USV_REGION", "expected a memory file for a region, got another kind");
  uint64_t end = claim.mmap_offset + claim.size;
  if (facts.st_size < 0 || end > static_cast<uint64_t>(facts.st_size)) {
    return failure("USV_REGION", "expected a region inside its file of %lld bytes, got one that ends at %" PRIu64,
                   static_cast<long long>(facts.st_size), end);
  }
  struct statfs fs{};
  if (fstatfs(file, &fs) != 0) return system_failure("USV_REGION", "fstatfs of a memory region's file");
  uint64_t page = fs.f_type == HUGETLBFS_MAGIC ? static_cast<uint64_t>(fs.f_bsize) : 4096;
  uint64_t start = claim.mmap_offset / page * page;
  uint64_t length = (end + page - 1) / page * page - start;
  // The pod has faulted its pages in itself; mapping must not make the switch allocate on its behalf.
  void* mapping =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, static_cast<off_t>(start));
  if (mapping == MAP_FAILED) return system_failure("USV_REGION", "mmap of a memory region");
  int guard = FaultGuard::add(mapping, length);
  if (guard < 0) {
    munmap(mapping, length);
    return failure("USV_REGION", "expected a free fault guard slot, got none");
  }
  region = {claim.guest_address,
            claim.size,
            claim.user_address,
            claim.mmap_offset,
            facts.st_dev,
            facts.st_ino,
            1,
            static_cast<uint8_t*>(mapping) + (claim.mmap_offset - start),
            mapping,
            length,
            guard};
  return {};
}

Status RegionTable::map(std::span<const RegionClaim> claims, std::span<const Fd> files) {
  clear();
  if (claims.empty() || claims.size() > kMaxRegions || claims.size() != files.size()) {
    return failure("USV_REGION", "expected 1 to %zu regions with a file each, got %zu with %zu", kMaxRegions,
                   claims.size(), files.size());
  }
  for (size_t i = 0; i < claims.size(); i++) {
    if (Status status = add_new(claims[i], files[i].get()); !status.ok()) {
      clear();
      return status;
    }
  }
  return {};
}

Status RegionTable::add(const RegionClaim& claim, int file) {
  Region* there = find(claim);
  if (there == nullptr || !is_same(*there, claim, file)) return add_new(claim, file);
  if (there->told == kMaxTold) {
    return failure("USV_REGION", "expected the same region at most %u times, got 0x%" PRIx64 " once more", kMaxTold,
                   claim.guest_address);
  }
  there->told++;
  return {};
}

Status RegionTable::add_new(const RegionClaim& claim, int file) {
  if (count_ == kMaxRegions) return failure("USV_REGION", "expected at most %zu regions, got one more", kMaxRegions);
  if (Status status = check_claim(claim); !status.ok()) return status;
  for (size_t i = 0; i < count_; i++) {
    const Region& other = regions_[i];
    if (overlap(claim.guest_address, claim.size, other.guest_address, other.size) ||
        overlap(claim.user_address, claim.size, other.user_address, other.size)) {
      return failure("USV_REGION", "expected disjoint regions, got 0x%" PRIx64 "+0x%" PRIx64 " over 0x%" PRIx64,
                     claim.guest_address, claim.size, other.guest_address);
    }
  }
  Region region;
  if (Status status = map_one(claim, file, region); !status.ok()) return status;
  set(count_++, region);
  return {};
}

RegionTable::Region* RegionTable::find(const RegionClaim& claim) {
  for (size_t i = 0; i < count_; i++) {
    Region& region = regions_[i];
    if (region.guest_address == claim.guest_address && region.user_address == claim.user_address &&
        region.size == claim.size) {
      return &region;
    }
  }
  return nullptr;
}

/** Whether a region at the claim's addresses is also the same piece of the same file. */
bool RegionTable::is_same(const Region& region, const RegionClaim& claim, int file) {
  struct stat facts{};
  return region.mmap_offset == claim.mmap_offset && fstat(file, &facts) == 0 && facts.st_dev == region.device &&
         facts.st_ino == region.inode;
}

Status RegionTable::remove(const RegionClaim& claim) {
  Region* region = find(claim);
  if (region == nullptr) {
    return failure("USV_REGION", "expected a region that is there, got 0x%" PRIx64 "+0x%" PRIx64, claim.guest_address,
                   claim.size);
  }
  if (--region->told != 0) return {};
  unmap(*region);
  set(static_cast<size_t>(region - regions_), regions_[--count_]);
  set(count_, Region{});
  return {};
}

void RegionTable::unmap(const Region& region) {
  FaultGuard::remove(region.guard);
  munmap(region.mapping, region.mapping_size);
}

void RegionTable::clear() {
  while (count_ != 0) {
    unmap(regions_[--count_]);
    set(count_, Region{});
  }
}

void RegionTable::set(size_t slot, const Region& region) {
  regions_[slot] = region;
  index_.set(slot, region.guest_address, region.size, region.base);
}

uint8_t* RegionTable::translate_user(uint64_t address, uint64_t length) const {
  for (size_t i = 0; i < count_; i++) {
    uint64_t offset = address - regions_[i].user_address;
    if (offset < regions_[i].size && length <= regions_[i].size - offset) return regions_[i].base + offset;
  }
  return nullptr;
}

bool RegionTable::faulted() const {
  for (size_t i = 0; i < count_; i++) {
    if (FaultGuard::faulted(regions_[i].guard)) return true;
  }
  return false;
}

void RegionTable::swap(RegionTable& other) noexcept {
  std::swap(index_, other.index_);
  std::swap(regions_, other.regions_);
  std::swap(count_, other.count_);
}

}  // namespace usvhost
