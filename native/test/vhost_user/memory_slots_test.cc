// SPDX-License-Identifier: Apache-2.0
// BackEnd: memory that comes and goes region by region (ADD_MEM_REG, REM_MEM_REG).
#include <linux/memfd.h>
#include <sys/mman.h>

#include "test/vhost_user/session.h"

namespace usvhost::test {
namespace {

TEST_CASE("slots: regions come and go one by one, and rings keep their position meanwhile") {
  Session session;
  session.negotiate();
  REQUIRE(session.add(0, 4) == "ok");
  session.start(0);
  pass(session.back_end.queue(0), 9);
  REQUIRE(session.add(16, 8) == "ok");
  REQUIRE(session.add(8, 8) == "ok");
  CHECK(session.active(0));
  CHECK(session.back_end.memory().count() == 3);
  CHECK(session.reaches(16));
  CHECK(session.remove(8, 8) == "ok");
  CHECK_FALSE(session.reaches(8));
  CHECK(session.reaches(16));
  CHECK(session.active(0));
  CHECK(session.back_end.queue(0).ring.base() == 9);
  // A descriptor that comes along is closed (vhost-user, REM_MEM_REG).
  size_t descriptors = open_descriptors();
  CHECK(session.slot(Request::kRemMemReg, 16, 8, {session.memory.segment().fd()}) == "ok");
  CHECK(open_descriptors() == descriptors);
  // SET_MEM_TABLE replaces what the slots hold.
  REQUIRE(session.table() == "ok");
  CHECK(session.back_end.memory().count() == 1);
  CHECK(session.reaches(63));
  CHECK(session.back_end.queue(0).ring.base() == 9);
}

/** A file of as many pages as that of the session, and another one. */
Fd memory_file(size_t pages) {
  Fd fd(memfd_create("slots-test", MFD_CLOEXEC));
  REQUIRE(ftruncate(fd.get(), static_cast<off_t>(pages * 4096)) == 0);
  return fd;
}

TEST_CASE(
    "slots: a region that is told once for each queue pair is there once, and goes when it was removed as often") {
  Session session;
  session.negotiate();
  size_t descriptors = open_descriptors();
  for (uint32_t told = 0; told < RegionTable::kMaxTold; told++) CHECK(session.add(0, 4) == "ok");
  CHECK(session.add(0, 4) == "USV_REGION");
  CHECK(session.back_end.memory().count() == 1);
  CHECK(open_descriptors() == descriptors);
  session.start(0);
  pass(session.back_end.queue(0), 9);
  for (uint32_t told = 1; told < RegionTable::kMaxTold; told++) {
    CHECK(session.remove(0, 4) == "ok");
    CHECK(session.active(0));
  }
  CHECK(session.back_end.queue(0).ring.base() == 9);
  // The last one takes it from under a ring that runs.
  CHECK(session.remove(0, 4) == "USV_REGION");
  CHECK(session.back_end.memory().count() == 0);
  CHECK_FALSE(session.reaches(0));
}

TEST_CASE("slots: what is refused") {
  auto fresh = [](auto test) {
    Session session;
    session.negotiate();
    REQUIRE(session.add(0, 4) == "ok");
    test(session);
  };
  fresh([](Session& s) { CHECK(s.add(3, 4) == "USV_REGION"); });  // overlaps
  fresh([](Session& s) { CHECK(s.slot(Request::kAddMemReg, 0, 4, {memory_file(64).get()}) == "USV_REGION"); });
  fresh([](Session& s) { CHECK(s.add(4, 61) == "USV_REGION"); });  // ends beyond the file
  fresh([](Session& s) { CHECK(s.add(4, 0) == "USV_REGION"); });
  fresh([](Session& s) { CHECK(s.remove(0, 3) == "USV_REGION"); });
  fresh([](Session& s) { CHECK(s.remove(4, 4) == "USV_REGION"); });
  fresh([](Session& s) {
    CHECK(s.remove(0, 4) == "ok");
    CHECK(s.remove(0, 4) == "USV_REGION");
  });
  fresh([](Session& s) {
    for (size_t i = 1; i < kMaxRegions; i++) CHECK(s.add(4 * i, 4) == "ok");
    CHECK(s.add(4 * kMaxRegions, 4) == "USV_REGION");
    CHECK(s.reaches(4 * kMaxRegions - 1));
  });
  fresh([](Session& s) {  // the memory that the rings lie in
    s.start(0);
    CHECK(s.remove(0, 4) == "USV_REGION");
    CHECK_FALSE(s.active(0));
  });
  fresh([](Session& s) { CHECK(s.slot(Request::kAddMemReg, 4, 4, {s.kicks[0].get()}) == "USV_REGION"); });
  Session without;
  without.negotiate(kSupportedProtocolFeatures & ~feature_bit(kProtocolConfigureMemSlots));
  CHECK(without.add(0, 4) == "USV_MESSAGE");
  CHECK(without.back_end.memory().count() == 0);
}

}  // namespace
}  // namespace usvhost::test
