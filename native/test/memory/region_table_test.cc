// SPDX-License-Identifier: Apache-2.0
// RegionTable: every rule of map(), and translation to the byte.
#include "memory/region_table.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "memory/fault_guard.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kPage = 4096;

Fd memory_file(uint64_t bytes) {
  Fd fd(memfd_create("region-test", MFD_CLOEXEC));
  REQUIRE(ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
  return fd;
}

Status map_all(RegionTable& table, const std::vector<RegionClaim>& claims, uint64_t file_bytes = 16 * kPage) {
  REQUIRE(FaultGuard::install().ok());
  std::vector<Fd> files;
  for (size_t i = 0; i < claims.size(); i++) files.push_back(memory_file(file_bytes));
  return table.map(claims, files);
}

TEST_CASE("what a region may not be") {
  constexpr uint64_t kMax = UINT64_MAX;
  struct Case {
    const char* name;
    std::vector<RegionClaim> claims;
  };
  const std::vector<Case> cases = {
      {"no region at all", {}},
      {"more than eight", std::vector<RegionClaim>(9, {0, kPage, 0, 0})},
      {"size 0", {{0x1000, 0, 0x1000, 0}}},
      {"guest address wraps", {{kMax - kPage + 2, kPage, 0, 0}}},
      {"guest address ends at 2^64", {{kMax - kPage + 1, kPage, 0, 0}}},
      {"user address wraps", {{0, kPage, kMax - 1, 0}}},
      {"offset wraps", {{0, kPage, 0, kMax - 1}}},
      {"offset is 2^64 - 1", {{0, 1, 0, kMax}}},
      {"size is 2^64 - 1", {{1, kMax, 1, 1}}},
      {"size is 2^64 - 1 at 0", {{0, kMax, 0, 0}}},
      {"one byte beyond the file", {{0, 16 * kPage + 1, 0, 0}}},
      {"offset one byte too far", {{0, 16 * kPage, 0, 1}}},
      {"offset at the end of the file", {{0, 1, 0, 16 * kPage}}},
      {"offset beyond any file", {{0, kPage, 0, uint64_t{1} << 63}}},
      {"the same region twice", {{0x1000, kPage, 0x1000, 0}, {0x1000, kPage, 0x1000, 0}}},
      {"guest addresses overlap by one byte", {{0x1000, kPage, 0x10000, 0}, {0x1fff, kPage, 0x20000, 0}}},
      {"user addresses overlap by one byte", {{0x1000, kPage, 0x10000, 0}, {0x8000, kPage, 0x10fff, 0}}},
      {"one inside the other", {{0x1000, 4 * kPage, 0x100000, 0}, {0x2000, 16, 0x900000, 0}}},
      {"the third over the first",
       {{0x1000, kPage, 0x1000, 0}, {0x2000, kPage, 0x2000, 0}, {0x0800, kPage, 0x9000, 0}}},
  };
  REQUIRE(FaultGuard::install().ok());  // which takes a descriptor, the first time
  for (const Case& bad : cases) {
    CAPTURE(bad.name);
    size_t descriptors = open_descriptors();
    RegionTable table;
    Status status = map_all(table, bad.claims);
    REQUIRE_FALSE(status.ok());
    CHECK(std::string(status.code) == "USV_REGION");
    CHECK(table.count() == 0);
    CHECK(table.translate(0x1000, 1) == nullptr);
    CHECK(open_descriptors() == descriptors);
  }
}

TEST_CASE("a descriptor that is not a memory file, and a number of files that does not fit") {
  RegionClaim claim{0, kPage, 0, 0};
  RegionTable table;
  std::vector<Fd> files;
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  int pipes[2];
  REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
  Fd other_end(pipes[1]);
  files.emplace_back(pipes[0]);
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  files[0].reset(open("/dev/zero", O_RDWR | O_CLOEXEC));
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  files[0].reset(eventfd(0, EFD_CLOEXEC));
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  files[0].reset(-1);
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  TemporaryDirectory directory;
  std::string path = directory / "readonly";
  Fd file(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  REQUIRE(ftruncate(file.get(), kPage) == 0);
  files[0].reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  CHECK(table.count() == 0);
}

TEST_CASE("a refused table leaves nothing of the one before") {
  RegionTable table;
  REQUIRE(map_all(table, {{0x1000, kPage, 0x1000, 0}}).ok());
  REQUIRE(table.translate(0x1000, 1) != nullptr);
  CHECK_FALSE(map_all(table, {{0x1000, kPage, 0x1000, 0}, {0x9000, 0, 0x9000, 0}}).ok());
  CHECK(table.count() == 0);
  CHECK(table.translate(0x1000, 1) == nullptr);
  CHECK(table.translate_user(0x1000, 1) == nullptr);
}

TEST_CASE("translation ends with the region, to the byte") {
  RegionTable table;
  CHECK(table.translate(0, 0) == nullptr);
  CHECK(table.translate(0, 1) == nullptr);
  constexpr uint64_t kGuest = 0x7000'0000'0000, kUser = 0x1234'5000, kSize = 3 * kPage;
  REQUIRE(map_all(table, {{kGuest, kSize, kUser, 0}}).ok());
  for (auto [start, translate] : {std::pair{kGuest, &RegionTable::translate}, {kUser, &RegionTable::translate_user}}) {
    auto at = [&table, translate = translate](uint64_t address, uint64_t length) {
      return (table.*translate)(address, length);
    };
    uint8_t* base = at(start, 1);
    REQUIRE(base != nullptr);
    CHECK(at(start, kSize) == base);
    CHECK(at(start, kSize + 1) == nullptr);
    CHECK(at(start, UINT64_MAX) == nullptr);
    CHECK(at(start - 1, 1) == nullptr);
    CHECK(at(start - 1, 2) == nullptr);
    CHECK(at(start + 1, kSize - 1) == base + 1);
    CHECK(at(start + 1, kSize) == nullptr);
    CHECK(at(start + kSize - 1, 1) == base + kSize - 1);
    CHECK(at(start + kSize - 1, 2) == nullptr);
    CHECK(at(start + kSize - 8, UINT64_MAX - 4) == nullptr);
    CHECK(at(start + kSize, 1) == nullptr);
    CHECK(at(UINT64_MAX - 7, 16) == nullptr);
    CHECK(at(0, 1) == nullptr);
    base[0] = 0x5a;
    base[kSize - 1] = 0xa5;
  }
}

TEST_CASE("several regions: each has its own file, and nothing crosses from one to its neighbour") {
  RegionTable table;
  std::vector<RegionClaim> claims;
  // Adjacent in the guest, in reverse order in the front-end, at an offset that is not on a page.
  for (uint64_t i = 0; i < kMaxRegions; i++) {
    claims.push_back({0x10000 + i * kPage, kPage, 0x80000 - i * kPage, 512 + i});
  }
  REQUIRE(map_all(table, claims).ok());
  CHECK(table.count() == kMaxRegions);
  for (uint64_t i = 0; i < kMaxRegions; i++) {
    uint8_t* base = table.translate(claims[i].guest_address, kPage);
    REQUIRE(base != nullptr);
    CHECK(table.translate_user(claims[i].user_address, kPage) == base);
    CHECK(reinterpret_cast<uintptr_t>(base) % kPage == 512 + i);
    CHECK(table.translate(claims[i].guest_address + kPage - 1, 2) == nullptr);
    CHECK(table.translate_user(claims[i].user_address + kPage - 1, 2) == nullptr);
    base[0] = static_cast<uint8_t>(i);
  }
  for (uint64_t i = 0; i < kMaxRegions; i++) CHECK(*table.translate(claims[i].guest_address, 1) == i);
  CHECK(table.translate(0x10000 + kMaxRegions * kPage, 1) == nullptr);
  CHECK(table.translate(0x0ffff, 1) == nullptr);
}

TEST_CASE("regions that are added and removed one by one, in any order") {
  REQUIRE(FaultGuard::install().ok());
  RegionTable table;
  Fd file = memory_file(16 * kPage);
  auto claim = [](uint64_t i) { return RegionClaim{0x100000 + i * kPage, kPage, 0x900000 - i * kPage, i * kPage}; };
  for (uint64_t i = 0; i < kMaxRegions; i++) {
    REQUIRE(table.add(claim(i), file.get()).ok());
    *table.translate(claim(i).guest_address, kPage) = static_cast<uint8_t>(i);
  }
  CHECK(std::string(table.add(claim(9), file.get()).code) == "USV_REGION");
  CHECK(table.count() == kMaxRegions);
  std::vector<bool> there(kMaxRegions, true);
  for (uint64_t i : {0u, 7u, 3u, 1u}) {
    RegionClaim other = claim(i);
    other.size--;
    CHECK_FALSE(table.remove(other).ok());
    other = claim(i);
    other.user_address += kPage;
    CHECK_FALSE(table.remove(other).ok());
    other = claim(i);
    other.mmap_offset = 1;  // is not compared
    CHECK(table.remove(other).ok());
    CHECK(std::string(table.remove(other).code) == "USV_REGION");
    there[i] = false;
    for (uint64_t k = 0; k < kMaxRegions; k++) {
      uint8_t* byte = table.translate(claim(k).guest_address, kPage);
      CHECK((byte != nullptr) == there[k]);
      CHECK(table.translate_user(claim(k).user_address, kPage) == byte);
      if (byte != nullptr) CHECK(*byte == k);
    }
  }
  REQUIRE(table.add(claim(3), file.get()).ok());
  CHECK(*table.translate(claim(3).guest_address, 1) == 3);
  CHECK(table.count() == 5);
}

TEST_CASE("two regions of one file see the same bytes where they meet in the file") {
  RegionTable table;
  REQUIRE(FaultGuard::install().ok());
  std::vector<Fd> files;
  files.push_back(memory_file(4 * kPage));
  files.emplace_back(fcntl(files[0].get(), F_DUPFD_CLOEXEC, 0));
  std::vector<RegionClaim> claims{{0x1000, 2 * kPage, 0x1000, 0}, {0x9000, 2 * kPage, 0x9000, kPage}};
  REQUIRE(table.map(claims, files).ok());
  *table.translate(0x1000 + kPage, 1) = 77;
  CHECK(*table.translate(0x9000, 1) == 77);
}

TEST_CASE("a table that is moved carries its regions along, and map and clear forget nothing") {
  size_t descriptors = open_descriptors();
  RegionTable table;
  for (int i = 0; i < 1000; i++) {
    RegionTable fresh;
    REQUIRE(map_all(fresh, {{0x1000, kPage, 0x1000, 0}, {0x9000, kPage, 0x9000, 0}}).ok());
    table = std::move(fresh);
  }
  CHECK(table.count() == 2);
  CHECK(table.translate(0x9000, kPage) != nullptr);
  RegionTable other(std::move(table));
  CHECK(other.translate(0x9000, kPage) != nullptr);
  CHECK(table.count() == 0);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a region whose file is a fraction of a page longer than a page") {
  RegionTable table;
  REQUIRE(map_all(table, {{0x1000, kPage + 10, 0x1000, 0}}, kPage + 10).ok());
  uint8_t* last = table.translate(0x1000 + kPage + 9, 1);
  REQUIRE(last != nullptr);
  *last = 1;
  CHECK(table.translate(0x1000 + kPage + 10, 1) == nullptr);
}

TEST_CASE("huge pages are mapped by their own size") {
  REQUIRE(FaultGuard::install().ok());
  constexpr uint64_t kHuge = 2 << 20;
  std::vector<Fd> files;
  files.emplace_back(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB));
  if (!files[0] || ftruncate(files[0].get(), 2 * kHuge) != 0 || fallocate(files[0].get(), 0, 0, 2 * kHuge) != 0) {
    MESSAGE("skipped: needs two free huge pages of 2 MiB (", strerror(errno), ")");
    return;
  }
  RegionTable table;
  // Starts and ends inside a huge page: what is mapped is rounded to whole ones, what is translated is not.
  RegionClaim claim{0x10000, kHuge, 0x10000, kHuge / 2};
  Status status = table.map({&claim, 1}, files);
  REQUIRE_MESSAGE(status.ok(), status.describe());
  uint8_t* base = table.translate(0x10000, kHuge);
  REQUIRE(base != nullptr);
  base[0] = 1;
  base[kHuge - 1] = 1;
  CHECK(table.translate(0x10000, kHuge + 1) == nullptr);
  table.clear();
  claim.size = 2 * kHuge;
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
}

}  // namespace
}  // namespace usvhost::test
