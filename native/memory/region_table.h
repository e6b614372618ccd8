// SPDX-License-Identifier: Apache-2.0
// The back-end's view of a front-end's memory: regions mapped from the descriptors of SET_MEM_TABLE, and the one
// checked translation from an address and a length to a pointer. Nothing else may turn a guest's number into a pointer.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/status.h"
#include "memory/region_index.h"

namespace usvhost {

/** One region as a message states it: every value is the front-end's claim until map() has checked it. */
struct RegionClaim {
  uint64_t guest_address;
  uint64_t size;
  uint64_t user_address;
  uint64_t mmap_offset;
};

class RegionTable {
 public:
  /** How often one region may be added: once for each queue pair of the largest port. */
  static constexpr uint32_t kMaxTold = 8;

  RegionTable() = default;
  ~RegionTable() { clear(); }
  RegionTable(const RegionTable&) = delete;
  RegionTable& operator=(const RegionTable&) = delete;
  RegionTable(RegionTable&& other) noexcept { swap(other); }
  RegionTable& operator=(RegionTable&& other) noexcept {
    swap(other);
    return *this;
  }

  /**
   * Replaces the table. Fails with USV_REGION, and then holds nothing, when the regions are too many, empty, wrap, overlap
   * one another in either address space, or do not fit the files behind the descriptors.
   */
  Status map(std::span<const RegionClaim> claims, std::span<const Fd> files);
  /**
   * Adds one region to those that are there. The same one, of the same file, may be added up to kMaxTold times: QEMU 7.2 tells each
   * region once for each queue pair. Fails with USV_REGION, as map(), and then changes nothing.
   */
  Status add(const RegionClaim& claim, int file);
  /**
   * Takes one add() back, and with the last one removes and unmaps the region of exactly this size at exactly these addresses (the
   * offset in its file is not compared: vhost-user, REM_MEM_REG). Fails with USV_REGION when there is none.
   */
  Status remove(const RegionClaim& claim);
  void clear();

  /** A guest address with its length, or null when not all of [address, address + length) lies in one region. */
  [[gnu::always_inline]] uint8_t* translate(uint64_t address, uint64_t length) const {
    return index_.translate(address, length);
  }
  /** The same for an address of the front-end's own process: only the ring addresses of SET_VRING_ADDR are such. */
  uint8_t* translate_user(uint64_t address, uint64_t length) const;

  /** True once an access to a region has faulted because its file was truncated. */
  bool faulted() const;
  size_t count() const { return count_; }

 private:
  struct Region {
    uint64_t guest_address = 0;
    uint64_t size = 0;
    uint64_t user_address = 0;
    uint64_t mmap_offset = 0;
    dev_t device = 0;
    ino_t inode = 0;
    uint32_t told = 1;
    uint8_t* base = nullptr;
    void* mapping = nullptr;
    size_t mapping_size = 0;
    int guard = -1;
  };

  void set(size_t slot, const Region& region);
  Status add_new(const RegionClaim& claim, int file);
  Region* find(const RegionClaim& claim);
  static bool is_same(const Region& region, const RegionClaim& claim, int file);
  static void unmap(const Region& region);
  static Status map_one(const RegionClaim& claim, int file, Region& region);
  void swap(RegionTable& other) noexcept;

  RegionIndex index_;  // by guest address, of regions_
  Region regions_[kMaxRegions] = {};
  size_t count_ = 0;
};

}  // namespace usvhost
