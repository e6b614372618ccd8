// SPDX-License-Identifier: Apache-2.0
// Sums: the same as adding word by word, whatever the length, the alignment and the cuts; and copies are exact.
#include "offload/checksum.h"

#include <doctest/doctest.h>

#include "test/offload/tcp_shapes.h"

namespace usvhost::test {
namespace {

/** Two forms of zero are one sum; the model folds to either. */
uint16_t canonical(uint16_t sum) { return sum == 0xffff ? uint16_t{0} : sum; }
uint16_t ours(uint16_t folded) {
  uint8_t bytes[2];
  store_sum(bytes, folded);
  return load_be16(bytes);
}

TEST_CASE("every length and alignment gives the model's sum, and a copy of these bytes alone") {
  std::mt19937 random(3);
  Bytes from(700), to(800);
  for (uint8_t& byte : from) byte = static_cast<uint8_t>(random());
  for (uint32_t length = 0; length <= 600; length++) {
    for (uint32_t skip : {0u, 1u, 7u, 16u}) {
      uint16_t expected = canonical(model_sum(from.data() + skip, length));
      REQUIRE(canonical(ours(fold_sum(sum_bytes(from.data() + skip, length)))) == expected);
      std::fill(to.begin(), to.end(), uint8_t{0xee});
      REQUIRE(canonical(ours(fold_sum(copy_and_sum(to.data() + 13, from.data() + skip, length)))) == expected);
      REQUIRE(std::equal(from.begin() + skip, from.begin() + skip + length, to.begin() + 13));
      REQUIRE(to[12] == 0xee);
      REQUIRE(to[13 + length] == 0xee);
    }
  }
}

TEST_CASE("no carry is lost: all ones, up to the longest frame") {
  Bytes ones(kMaxGsoFrame, 0xff);
  for (uint32_t length : {2u, 16u, 64u, 65534u, kMaxGsoFrame - 1}) {
    CHECK(fold_sum(sum_bytes(ones.data(), length)) == 0xffff);
  }
  CHECK(fold_sum(UINT64_MAX) == 0xffff);
  CHECK(fold_sum(0) == 0);
  CHECK(fold_sum(0xffff'ffff'0000'0001) == 1);
}

TEST_CASE("a sum over pieces of any lengths, odd ones too") {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; round++) {
    Bytes whole(random() % 900);
    for (uint8_t& byte : whole) byte = static_cast<uint8_t>(random());
    RunningSum sum;
    for (size_t at = 0; at < whole.size();) {
      auto piece = static_cast<uint32_t>(std::min<size_t>(random() % 90, whole.size() - at));
      sum.add(sum_bytes(whole.data() + at, piece), piece);
      at += piece;
    }
    REQUIRE(canonical(ours(sum.value())) == canonical(model_sum(whole.data(), whole.size())));
  }
}

}  // namespace
}  // namespace usvhost::test
