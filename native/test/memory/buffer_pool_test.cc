// SPDX-License-Identifier: Apache-2.0
// BufferPool: last in, first out, never more than there is, and a layout that keeps buffers apart.
#include "memory/buffer_pool.h"

#include <algorithm>

#include "test/support.h"

namespace usvhost::test {
namespace {

TEST_CASE("a pool gives what it has and then nothing") {
  BufferPool pool(nullptr, 3);
  uint32_t taken[8] = {};
  CHECK(pool.take(taken, 0) == 0);
  CHECK(pool.take(taken, 8) == 3);
  CHECK(pool.available() == 0);
  CHECK(pool.take(taken, 1) == 0);
  std::sort(taken, taken + 3);
  CHECK(taken[0] == 0);
  CHECK(taken[2] == 2);
}

TEST_CASE("the first buffers are the first in memory, then the last one given is the next one taken") {
  BufferPool pool(nullptr, 100);
  uint32_t taken[4];
  REQUIRE(pool.take(taken, 4) == 4);
  for (uint32_t i = 0; i < 4; i++) CHECK(taken[i] == i);
  pool.give(2);
  pool.give(0);
  uint32_t again[2];
  REQUIRE(pool.take(again, 2) == 2);
  CHECK(again[0] == 0);
  CHECK(again[1] == 2);
  CHECK(pool.count() == 100);
}

TEST_CASE("header and payload lie together, payloads on cache lines of their own, buffers apart") {
  alignas(64) static uint8_t memory[4 * kBufferStride];
  BufferPool pool(memory, 4);
  for (uint32_t i = 0; i < 4; i++) {
    CHECK(pool.header(i) + kHeaderBytes == pool.payload(i));
    CHECK(reinterpret_cast<uintptr_t>(pool.payload(i)) % 64 == 0);
    CHECK(pool.payload(i) + kPayloadCapacity == memory + (i + 1) * kBufferStride);
    CHECK(pool.header(i) >= memory + i * kBufferStride);
  }
  CHECK(kBufferStride / 64 % 2 == 1);
}

}  // namespace
}  // namespace usvhost::test
