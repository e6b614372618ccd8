// SPDX-License-Identifier: Apache-2.0
// Addresses as numbers: in the order of the wire, as text, and which of them a station can have.
#include "virtio/station_address.h"

#include <doctest/doctest.h>

namespace usvhost::test {
namespace {

TEST_CASE("an address is six bytes in the order of the wire, as a number and as text") {
  const uint8_t bytes[] = {0x02, 0x1b, 0xc3, 0xd4, 0xe5, 0xf6, 0xff, 0xff};
  uint64_t address = load_address(bytes);
  CHECK(address == 0xf6e5d4c31b02);
  CHECK(address_text(address) == "02:1b:c3:d4:e5:f6");
  CHECK(address_text(0) == "00:00:00:00:00:00");
}

TEST_CASE("a station has no group address and not zero") {
  auto valid = [](std::initializer_list<uint8_t> bytes) { return valid_station_address(load_address(bytes.begin())); };
  CHECK(valid({0x02, 0, 0, 0, 0, 1}));
  CHECK(valid({0, 0, 0, 0, 0, 1}));
  CHECK(valid({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}));
  CHECK_FALSE(valid({0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(valid({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
  CHECK_FALSE(valid({0x01, 0x00, 0x5e, 0, 0, 0xfb}));
  CHECK_FALSE(valid({0x33, 0x33, 0, 0, 0, 1}));
}

}  // namespace
}  // namespace usvhost::test
