// SPDX-License-Identifier: Apache-2.0
// FaultGuard: memory that a peer takes away ends that peer's region and nothing else.
#include "memory/fault_guard.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <thread>

#include "memory/region_table.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBytes = 16 * kPage;

struct Peer {
  explicit Peer(unsigned memfd_flags = 0, uint64_t bytes = kBytes)
      : file(memfd_create("peer", MFD_CLOEXEC | memfd_flags)) {
    REQUIRE(FaultGuard::install().ok());
    if (!file || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
        fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) != 0) {
      return;
    }
    std::vector<Fd> files;
    files.emplace_back(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    RegionClaim claim{0, bytes, 0, 0};
    Status status = table.map({&claim, 1}, files);
    REQUIRE_MESSAGE(status.ok(), status.describe());
  }
  volatile uint8_t* at(uint64_t offset) { return table.translate(offset, 1); }

  Fd file;
  RegionTable table;
};

bool woken() {
  pollfd event{FaultGuard::wake_fd(), POLLIN, 0};
  uint64_t drained;
  return poll(&event, 1, 0) == 1 && read(FaultGuard::wake_fd(), &drained, sizeof drained) == sizeof drained;
}

TEST_CASE("install is idempotent and has one event descriptor") {
  REQUIRE(FaultGuard::install().ok());
  int fd = FaultGuard::wake_fd();
  size_t descriptors = open_descriptors();
  REQUIRE(FaultGuard::install().ok());
  CHECK(FaultGuard::wake_fd() == fd);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a truncated file: the process lives, the region reads zero, its neighbour is untouched") {
  Peer victim, neighbour;
  woken();
  *victim.at(5 * kPage) = 1;
  *neighbour.at(5 * kPage) = 2;
  REQUIRE(ftruncate(victim.file.get(), 0) == 0);
  CHECK_FALSE(victim.table.faulted());
  errno = 42;
  CHECK(*victim.at(5 * kPage) == 0);
  CHECK(errno == 42);
  CHECK(victim.table.faulted());
  CHECK(woken());
  *victim.at(0) = 9;
  *victim.at(kBytes - 1) = 9;
  CHECK_FALSE(neighbour.table.faulted());
  CHECK(*neighbour.at(5 * kPage) == 2);
}

TEST_CASE("truncated to the middle: the part that is left still works until the other one is touched") {
  Peer peer;
  *peer.at(0) = 3;
  REQUIRE(ftruncate(peer.file.get(), 8 * kPage) == 0);
  CHECK(*peer.at(0) == 3);
  CHECK_FALSE(peer.table.faulted());
  *peer.at(8 * kPage) = 1;
  CHECK(peer.table.faulted());
}

TEST_CASE("a hole is filled with zeroes by the kernel and is no fault") {
  Peer peer;
  *peer.at(0) = 3;
  REQUIRE(fallocate(peer.file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBytes) == 0);
  CHECK(*peer.at(0) == 0);
  *peer.at(kPage) = 4;
  CHECK_FALSE(peer.table.faulted());
}

TEST_CASE("huge pages: truncation is absorbed too") {
  constexpr uint64_t kHuge = 2 << 20;
  Peer peer(MFD_HUGETLB | MFD_HUGE_2MB, 2 * kHuge);
  if (peer.table.count() == 0) {
    MESSAGE("skipped: needs two free huge pages of 2 MiB");
    return;
  }
  *peer.at(kHuge) = 1;
  REQUIRE(ftruncate(peer.file.get(), 0) == 0);
  CHECK(*peer.at(kHuge) == 0);
  CHECK(peer.table.faulted());
}

TEST_CASE("a slot that is used again does not inherit the fault") {
  for (int i = 0; i < 3; i++) {
    Peer peer;
    CHECK_FALSE(peer.table.faulted());
    REQUIRE(ftruncate(peer.file.get(), 0) == 0);
    *peer.at(0) = 1;
    CHECK(peer.table.faulted());
  }
}

TEST_CASE("many threads that fault at once in many regions") {
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 8; i++) peers.push_back(std::make_unique<Peer>());
  for (size_t i = 0; i < peers.size(); i += 2) REQUIRE(ftruncate(peers[i]->file.get(), 0) == 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&peers, t] {
      for (auto& peer : peers) {
        for (uint64_t page = 0; page < 16; page++) *peer->at(page * kPage + static_cast<uint64_t>(t)) = 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < peers.size(); i++) CHECK(peers[i]->table.faulted() == (i % 2 == 0));
}

TEST_CASE("slots run out with an error, and come back") {
  REQUIRE(FaultGuard::install().ok());
  // The addresses are never touched: far from anything that could fault.
  std::vector<int> slots;
  for (uintptr_t i = 1;; i++) {
    int slot = FaultGuard::add(reinterpret_cast<void*>(i << 4), 1);
    if (slot < 0) break;
    slots.push_back(slot);
  }
  CHECK(slots.size() == 8192);
  std::vector<Fd> files;
  files.emplace_back(memfd_create("late", MFD_CLOEXEC));
  REQUIRE(ftruncate(files[0].get(), kPage) == 0);
  RegionClaim claim{0, kPage, 0, 0};
  RegionTable table;
  CHECK(std::string(table.map({&claim, 1}, files).code) == "USV_REGION");
  for (int slot : slots) FaultGuard::remove(slot);
  CHECK(table.map({&claim, 1}, files).ok());
}

TEST_CASE("a fault outside all regions still ends the process") {
  REQUIRE(FaultGuard::install().ok());
  Fd file(memfd_create("foreign", MFD_CLOEXEC));
  REQUIRE(ftruncate(file.get(), kPage) == 0);
  void* memory = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file.get(), 0);
  REQUIRE(memory != MAP_FAILED);
  REQUIRE(ftruncate(file.get(), 0) == 0);
  pid_t child = fork();
  if (child == 0) {
    rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    close(STDERR_FILENO);  // a sanitizer's report would look like a failure of this test
    [[maybe_unused]] uint8_t byte = *static_cast<volatile uint8_t*>(memory);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  CHECK_FALSE(clean);
  bool by_signal = WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
  CHECK((kSanitized || by_signal));
  munmap(memory, kPage);
}

}  // namespace
}  // namespace usvhost::test
