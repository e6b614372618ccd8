// SPDX-License-Identifier: Apache-2.0
// Positions of a packed ring, counted against a number that never wraps.
#include "virtio/packed_ring.h"

#include <random>

#include "test/support.h"

namespace usvhost::test {
namespace {

TEST_CASE("packed ring: any size up to the largest, and no other") {
  for (uint32_t size : {1u, 2u, 3u, 255u, 256u, kMaxQueueSize}) CHECK(valid_packed_size(size));
  for (uint32_t size : {0u, kMaxQueueSize + 1, 32769u, 65535u, 65536u + 255, UINT32_MAX})
    CHECK_FALSE(valid_packed_size(size));
}

TEST_CASE("packed ring: a position is a count of entries, and its wrap counter the parity of laps") {
  std::mt19937 random(5);
  for (uint16_t size : {uint16_t{1}, uint16_t{2}, uint16_t{255}, uint16_t{256}, uint16_t{4096}}) {
    CAPTURE(size);
    PackedPosition position;
    uint64_t count = 0;
    for (int step = 0; step < 2000; step++) {
      auto entries = static_cast<uint32_t>(random() % (size + 1u));
      position.advance(entries, size);
      count += entries;
      REQUIRE(position.index == count % size);
      REQUIRE(position.wrap == (count / size % 2 == 0));
      PackedPosition copy = PackedPosition::from_word(position.word());
      REQUIRE((copy.index == position.index && copy.wrap == position.wrap));
    }
  }
}

TEST_CASE("packed ring: of the four states of the two bits one is available and one is used") {
  for (bool wrap : {true, false}) {
    PackedPosition position{0, wrap};
    for (uint32_t other : {0u, uint32_t{VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT}, 0x7f78u}) {
      for (uint16_t bits : {uint16_t{0}, kPackedAvail, kPackedUsed, uint16_t{kPackedAvail | kPackedUsed}}) {
        auto flags = static_cast<uint16_t>(bits | other);
        CHECK(position.is_avail(flags) == (bits == (wrap ? kPackedAvail : kPackedUsed)));
        CHECK(position.is_used(flags) == (bits == (wrap ? kPackedAvail | kPackedUsed : 0)));
      }
    }
  }
}

}  // namespace
}  // namespace usvhost::test
