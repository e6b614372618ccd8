// SPDX-License-Identifier: Apache-2.0
// The copy: every length and every way to cut a buffer into pieces, and not one byte beside it.
#include "switch/copy.h"

#include <algorithm>
#include <random>

#include "test/support.h"

namespace usvhost::test {
namespace {

TEST_CASE("every short length, and nothing outside it") {
  std::vector<uint8_t> from(2200), to(2300);
  for (size_t i = 0; i < from.size(); i++) from[i] = static_cast<uint8_t>(i * 7 + 1);
  for (uint32_t length = 0; length <= 2100; length++) {
    std::fill(to.begin(), to.end(), uint8_t{0xee});
    copy_bytes(to.data() + 50, from.data() + 3, length);
    bool same = memcmp(to.data() + 50, from.data() + 3, length) == 0;
    bool before = std::all_of(to.begin(), to.begin() + 50, [](uint8_t byte) { return byte == 0xee; });
    bool after = std::all_of(to.begin() + 50 + length, to.end(), [](uint8_t byte) { return byte == 0xee; });
    REQUIRE((same && before && after));
  }
}

TEST_CASE("gather and scatter over random pieces, with a skip") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; round++) {
    std::vector<std::vector<uint8_t>> storage;
    std::vector<BufferPiece> pieces;
    std::vector<uint8_t> whole;
    for (uint32_t i = 0, count = static_cast<uint32_t>(1 + random() % 12); i < count; i++) {
      std::vector<uint8_t>& piece = storage.emplace_back(1 + random() % (i % 3 == 0 ? 3u : 90u));
      for (uint8_t& byte : piece) byte = static_cast<uint8_t>(random());
      whole.insert(whole.end(), piece.begin(), piece.end());
    }
    for (auto& piece : storage) pieces.push_back({piece.data(), static_cast<uint32_t>(piece.size())});
    auto skip = static_cast<uint32_t>(random() % (whole.size() + 1));
    auto length = static_cast<uint32_t>(random() % (whole.size() - skip + 1));
    std::vector<uint8_t> got(length + 1, 0xee);
    gather(got.data(), pieces.data(), skip, length);
    REQUIRE(std::equal(whole.begin() + skip, whole.begin() + skip + length, got.begin()));
    REQUIRE(got[length] == 0xee);

    std::vector<uint8_t> fresh(length);
    for (uint8_t& byte : fresh) byte = static_cast<uint8_t>(random());
    scatter(pieces.data(), skip, fresh.data(), length);
    std::copy(fresh.begin(), fresh.end(), whole.begin() + skip);
    std::vector<uint8_t> now;
    for (auto& piece : storage) now.insert(now.end(), piece.begin(), piece.end());
    REQUIRE(now == whole);
  }
}

}  // namespace
}  // namespace usvhost::test
