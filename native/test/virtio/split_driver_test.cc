// SPDX-License-Identifier: Apache-2.0
// SplitDriverQueue against a back-end that lies in the used ring.
#include "virtio/split_driver.h"

#include "test/guest_memory.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

struct Driver {
  Driver() : memory(8192) {
    queue.attach(memory.at(0), 8);
    for (uint32_t i = 0; i < 4; i++) queue.add(memory.address(4096), 64, true, 1000 + i);
    queue.publish();
    used = memory.translated(queue.ring()).used;
  }
  /** Completes as a back-end would, or would not. */
  void complete(uint32_t id, uint32_t length = 0) {
    used->ring[index & 7] = {id, length};
    store_release(&used->idx, ++index);
  }
  uint16_t id_of(uint32_t n) const { return queue.ring().avail->ring[n]; }

  GuestMemory memory;
  SplitDriverQueue queue;
  vring_used* used;
  uint16_t index = 0;
  Completion done{};
};

TEST_CASE("a used index that is ahead of what is outstanding breaks the queue") {
  for (uint16_t jump : {uint16_t{5}, uint16_t{8}, uint16_t{9}, uint16_t{0x8000}, uint16_t{0xffff}}) {
    CAPTURE(jump);
    Driver driver;
    store_release(&driver.used->idx, jump);
    CHECK(driver.queue.used_entries() == 0);
    CHECK(driver.queue.broken());
    store_release(&driver.used->idx, uint16_t{1});
    CHECK(driver.queue.used_entries() == 0);
  }
  Driver driver;
  store_release(&driver.used->idx, uint16_t{4});
  CHECK(driver.queue.used_entries() == 4);
}

TEST_CASE("an id that is not outstanding breaks the queue before it indexes anything") {
  Driver fresh;
  uint16_t never_posted = 0;
  for (uint16_t id = 0; id < 8; id++) {
    bool posted = false;
    for (uint32_t i = 0; i < 4; i++) posted = posted || fresh.id_of(i) == id;
    if (!posted) never_posted = id;
  }
  for (uint32_t id : {uint32_t{never_posted}, 8u, 9u, 0x10000u + fresh.id_of(0), 0x80000000u, UINT32_MAX}) {
    CAPTURE(id);
    Driver driver;
    driver.complete(id);
    REQUIRE(driver.queue.used_entries() == 1);
    CHECK_FALSE(driver.queue.take_used(driver.done));
    CHECK(driver.queue.broken());
    CHECK(driver.queue.used_entries() == 0);
    CHECK(driver.queue.free_entries() == 4);
  }
}

TEST_CASE("the same id twice breaks the queue the second time") {
  Driver driver;
  driver.complete(driver.id_of(0), 10);
  driver.complete(driver.id_of(0), 10);
  REQUIRE(driver.queue.used_entries() == 2);
  CHECK(driver.queue.take_used(driver.done));
  CHECK(driver.done.cookie == 1000);
  CHECK_FALSE(driver.queue.take_used(driver.done));
  CHECK(driver.queue.broken());
  CHECK(driver.queue.free_entries() == 5);
}

TEST_CASE("completion in another order returns the right cookies") {
  Driver driver;
  for (uint32_t n : {3u, 0u, 2u, 1u}) driver.complete(driver.id_of(n), n);
  for (uint32_t n : {3u, 0u, 2u, 1u}) {
    REQUIRE(driver.queue.take_used(driver.done));
    CHECK(driver.done.cookie == 1000 + n);
    CHECK(driver.done.written == n);
  }
  CHECK(driver.queue.free_entries() == 8);
  CHECK_FALSE(driver.queue.broken());
}

TEST_CASE("reset() mends a broken queue") {
  Driver driver;
  driver.complete(77);
  CHECK_FALSE(driver.queue.take_used(driver.done));
  driver.queue.reset();
  CHECK_FALSE(driver.queue.broken());
  CHECK(driver.queue.used_entries() == 0);
  CHECK(driver.queue.free_entries() == 8);
}

}  // namespace
}  // namespace usvhost::test
