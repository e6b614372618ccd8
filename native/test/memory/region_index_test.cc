// SPDX-License-Identifier: Apache-2.0
// RegionIndex: the lookup that the processor does four at a time gives what the plain one gives, for every number of regions.
#include "memory/region_index.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

namespace usvhost::test {
namespace {

constexpr uint64_t kPage = 4096;

/** Both lookups, which must agree. */
int find(const RegionIndex& index, uint64_t address) {
  int slot = index.find_scalar(address);
#if defined(__x86_64__)
  if (RegionIndex::has_avx2()) CHECK(index.find_avx2(address) == slot);
#endif
  CHECK(index.find(address) == slot);
  return slot;
}

uint8_t* base(size_t slot) { return reinterpret_cast<uint8_t*>(uint64_t{0x10000} * (slot + 1)); }

TEST_CASE("no region contains anything, not even 0") {
  RegionIndex index;
  for (uint64_t address : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 63, UINT64_MAX}) {
    CHECK(find(index, address) == -1);
    CHECK(index.translate(address, 0) == nullptr);
    CHECK(index.translate(address, 1) == nullptr);
  }
}

TEST_CASE("each region is found in each slot, to the byte, in both halves of the address space") {
  for (uint64_t start : {uint64_t{0}, kPage, (uint64_t{1} << 63) - kPage, uint64_t{1} << 63, UINT64_MAX - 2 * kPage}) {
    for (size_t slot = 0; slot < kMaxRegions; slot++) {
      CAPTURE(slot);
      CAPTURE(start);
      RegionIndex index;
      index.set(slot, start, kPage, base(slot));
      CHECK(find(index, start) == static_cast<int>(slot));
      CHECK(find(index, start + kPage - 1) == static_cast<int>(slot));
      CHECK(find(index, start + kPage) == -1);
      CHECK(find(index, start - 1) == -1);
      CHECK(index.translate(start, kPage) == base(slot));
      CHECK(index.translate(start, kPage + 1) == nullptr);
      CHECK(index.translate(start + kPage - 1, 1) == base(slot) + kPage - 1);
      CHECK(index.translate(start + kPage - 1, 2) == nullptr);
      CHECK(index.translate(start + 1, UINT64_MAX) == nullptr);
      index.clear(slot);
      CHECK(find(index, start) == -1);
    }
  }
}

TEST_CASE("a region of nearly everything") {
  RegionIndex index;
  index.set(5, 16, UINT64_MAX - 32, base(5));
  CHECK(find(index, 15) == -1);
  CHECK(find(index, uint64_t{1} << 63) == 5);
  CHECK(find(index, UINT64_MAX - 17) == 5);
  CHECK(find(index, UINT64_MAX - 16) == -1);
}

TEST_CASE("random regions, random addresses") {
  std::mt19937_64 random(6);
  for (int round = 0; round < 200; round++) {
    RegionIndex index;
    size_t count = random() % (kMaxRegions + 1);
    std::vector<uint64_t> edges = {0, UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
      uint64_t start = (uint64_t{i} << 60) + random() % (uint64_t{1} << 59), size = 1 + random() % (uint64_t{1} << 59);
      index.set(i, start, size, base(i));
      for (uint64_t edge : {start - 1, start, start + size / 2, start + size - 1, start + size}) edges.push_back(edge);
    }
    for (uint64_t edge : edges) find(index, edge);
    for (int i = 0; i < 50; i++) find(index, random());
  }
}

}  // namespace
}  // namespace usvhost::test
