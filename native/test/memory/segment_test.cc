// SPDX-License-Identifier: Apache-2.0
// Segment: the kinds of shared memory, their sizes, and the seals that only a memfd can have.
#include "memory/segment.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <sstream>

#include "test/support.h"

namespace usvhost::test {
namespace {

SegmentOptions of(SegmentKind kind, size_t bytes, std::string place = {}) {
  SegmentOptions options;
  options.kind = kind;
  options.bytes = bytes;
  options.place = std::move(place);
  return options;
}

void refused(const SegmentOptions& options) {
  size_t descriptors = open_descriptors();
  Segment segment;
  Status status = segment.create(options);
  REQUIRE_FALSE(status.ok());
  CHECK(std::string(status.code) == "USV_MEMORY");
  CHECK(segment.data() == nullptr);
  CHECK(segment.fd() == -1);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("sizes and places that cannot be are refused, with nothing left behind") {
  TemporaryDirectory directory;
  refused(of(SegmentKind::kMemfd, 0));
  refused(of(SegmentKind::kMemfd, size_t{1} << 62));
  refused(of(SegmentKind::kMemfd, SIZE_MAX));
  refused(of(SegmentKind::kShm, 0));
  refused(of(SegmentKind::kShm, 4096, directory / "absent"));
  refused(of(SegmentKind::kHugetlbfs, 4096, "/dev/shm"));
  refused(of(SegmentKind::kHugetlbfs, 4096, directory / "absent"));
  refused(of(SegmentKind::kHugetlbfs, 4096));
}

TEST_CASE("a memfd is sealed: it can neither shrink nor grow nor lose its seals") {
  Segment segment;
  REQUIRE(segment.create(of(SegmentKind::kMemfd, 5000)).ok());
  CHECK(segment.size() == 8192);
  CHECK(segment.sealed());
  CHECK(fcntl(segment.fd(), F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  errno = 0;
  CHECK(ftruncate(segment.fd(), 0) == -1);
  CHECK(errno == EPERM);
  CHECK(ftruncate(segment.fd(), 1 << 20) == -1);
  CHECK(errno == EPERM);
  CHECK(fcntl(segment.fd(), F_ADD_SEALS, F_SEAL_WRITE) == -1);
  CHECK(errno == EPERM);
  CHECK((fcntl(segment.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  segment.data()[segment.size() - 1] = 1;
}

TEST_CASE("a file of /dev/shm has no name, cannot be sealed, and says so") {
  auto names = [] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
      if (entry.path().filename().string().rfind("usvhost-", 0) == 0) count++;
    }
    return count;
  };
  size_t before = names();
  Segment segment;
  REQUIRE(segment.create(of(SegmentKind::kShm, 4096)).ok());
  CHECK(names() == before);
  CHECK_FALSE(segment.sealed());
  struct stat facts{};
  REQUIRE(fstat(segment.fd(), &facts) == 0);
  CHECK(facts.st_nlink == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  CHECK(facts.st_size == 4096);
  segment.data()[4095] = 1;
  CHECK(ftruncate(segment.fd(), 0) == 0);  // why the switch has a fault guard
}

TEST_CASE("a segment has all its pages from the start") {
  for (SegmentKind kind : {SegmentKind::kMemfd, SegmentKind::kShm}) {
    Segment segment;
    REQUIRE(segment.create(of(kind, 64 * 4096)).ok());
    unsigned char present[64];
    REQUIRE(mincore(segment.data(), segment.size(), present) == 0);
    for (unsigned char page : present) CHECK((page & 1) == 1);
  }
}

/** The flags of the mapping at `address`, as in /proc/self/smaps ("rd wr sh …"). */
std::string mapping_flags(const uint8_t* address) {
  std::ifstream smaps("/proc/self/smaps");
  const std::string flags = "VmFlags:";
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t start = 0, end = 0;
    // Lines of a mapping's facts begin with a capital letter, which no address does.
    if (sscanf(line.c_str(), "%lx-%lx ", &start, &end) == 2) {
      inside = start <= reinterpret_cast<uintptr_t>(address) && reinterpret_cast<uintptr_t>(address) < end;
    } else if (inside && line.rfind(flags, 0) == 0) {
      return line.substr(flags.size()) + " ";
    }
  }
  return {};
}

TEST_CASE("huge pages are asked for in memory that we make, and not in what somebody lends") {
  bool known = std::filesystem::exists("/sys/kernel/mm/transparent_hugepage");
  for (SegmentKind kind : {SegmentKind::kMemfd, SegmentKind::kShm}) {
    Segment segment;
    REQUIRE(segment.create(of(kind, size_t{4} << 20)).ok());
    std::string flags = mapping_flags(segment.data());
    CAPTURE(flags);
    CHECK(flags.find(" sh ") != std::string::npos);
    CHECK((flags.find(" hg ") != std::string::npos) == known);
  }
  TemporaryDirectory directory;
  std::ofstream(directory / "slice") << std::string(8192, 'x');
  Segment lent;
  REQUIRE(lent.create(of(SegmentKind::kLent, 4096, directory / "slice")).ok());
  std::string flags = mapping_flags(lent.data());
  CHECK(flags.find(" sh ") != std::string::npos);
  CHECK(flags.find(" hg ") == std::string::npos);
}

/** NUMA node of a CPU; 0 where the kernel knows no nodes. */
int node_of(int cpu) {
  const std::string directory = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    int node = 0;
    if (sscanf(entry.path().filename().c_str(), "node%d", &node) == 1) return node;
  }
  return 0;
}

/** Pages of the mapping at `address` by NUMA node, as in /proc/self/numa_maps ("7f… default file=… N0=16 …"). */
std::map<int, size_t> pages_by_node(const uint8_t* address) {
  std::map<int, size_t> pages;
  std::ifstream maps("/proc/self/numa_maps");
  for (std::string line; std::getline(maps, line);) {
    if (strtoull(line.c_str(), nullptr, 16) != reinterpret_cast<uintptr_t>(address)) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      int node = 0;
      size_t count = 0;
      if (sscanf(word.c_str(), "N%d=%zu", &node, &count) == 2) pages[node] = count;
    }
  }
  return pages;
}

// On a machine with one node this sees little; test/interop/guest-numa.test.ts runs it on one with two.
TEST_CASE("the pages of a segment come from the NUMA node of the CPU that is named, and the caller keeps its CPUs") {
  cpu_set_t before, after;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &before)) continue;
    CAPTURE(cpu);
    for (SegmentKind kind : {SegmentKind::kMemfd, SegmentKind::kShm}) {
      SegmentOptions options = of(kind, 16 * 4096);
      options.cpu = cpu;
      Segment segment;
      REQUIRE(segment.create(options).ok());
      std::map<int, size_t> pages = pages_by_node(segment.data());
      CHECK(pages == std::map<int, size_t>{{node_of(cpu), 16}});
      REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
      CHECK(CPU_EQUAL(&before, &after));
    }
  }
  // A CPU that is not there is no reason to have no memory.
  SegmentOptions options = of(SegmentKind::kMemfd, 4096);
  options.cpu = CPU_SETSIZE - 1;
  Segment segment;
  CHECK(segment.create(options).ok());
}

TEST_CASE("of a lent file the beginning is used and emptied, its size is kept") {
  TemporaryDirectory directory;
  const std::string path = directory / "slice";
  std::ofstream(path) << std::string(3 * 4096, 'x');
  auto content = [&] {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  {
    Segment segment;
    Status status = segment.create(of(SegmentKind::kLent, 5000, path));
    REQUIRE_MESSAGE(status.ok(), status.describe());
    CHECK(segment.size() == 8192);
    CHECK_FALSE(segment.sealed());
    CHECK(content() == std::string(8192, '\0') + std::string(4096, 'x'));
    segment.data()[1] = 'y';
  }
  CHECK(content().substr(0, 2) == std::string("\0y", 2));
  refused(of(SegmentKind::kLent, 3 * 4096 + 1, path));
  refused(of(SegmentKind::kLent, 4096, directory / "absent"));
  refused(of(SegmentKind::kLent, 4096, directory / "."));
  std::filesystem::create_symlink(path, directory / "link");
  refused(of(SegmentKind::kLent, 4096, directory / "link"));
}

TEST_CASE("a tmpfs that is too small is an error and not a fault later") {
  TemporaryDirectory directory;
  std::string mount_point = directory / "small";
  std::filesystem::create_directory(mount_point);
  if (mount("none", mount_point.c_str(), "tmpfs", 0, "size=64k") != 0) {
    MESSAGE("skipped: needs the right to mount a tmpfs (", strerror(errno), ")");
    return;
  }
  refused(of(SegmentKind::kShm, 1 << 20, mount_point));
  Segment fits;
  CHECK(fits.create(of(SegmentKind::kShm, 32 << 10, mount_point)).ok());
  CHECK(umount2(mount_point.c_str(), MNT_DETACH) == 0);
}

TEST_CASE("a hugetlbfs segment has the page size of its mount, and one page too many is an error") {
  std::ifstream pool("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  size_t free_pages = 0;
  pool >> free_pages;
  TemporaryDirectory directory;
  std::string mount_point = directory / "huge";
  std::filesystem::create_directory(mount_point);
  if (free_pages < 2 || mount("none", mount_point.c_str(), "hugetlbfs", 0, "pagesize=2M,size=4M") != 0) {
    MESSAGE("skipped: needs two free huge pages of 2 MiB (there are ", free_pages, ") and the right to mount");
    return;
  }
  {
    Segment segment;
    Status status = segment.create(of(SegmentKind::kHugetlbfs, 4096, mount_point));
    REQUIRE_MESSAGE(status.ok(), status.describe());
    CHECK(segment.size() == size_t{2} << 20);
    CHECK_FALSE(segment.sealed());
    CHECK(std::filesystem::is_empty(mount_point));
    segment.data()[segment.size() - 1] = 1;
    refused(of(SegmentKind::kHugetlbfs, size_t{6} << 20, mount_point));
  }
  CHECK(umount2(mount_point.c_str(), MNT_DETACH) == 0);
}

}  // namespace
}  // namespace usvhost::test
