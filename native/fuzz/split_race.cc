// SPDX-License-Identifier: Apache-2.0
// race.h with split rings.
#include "fuzz/race.h"
#include "fuzz/split_rings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return usvhost::fuzz::run_race<usvhost::fuzz::SplitRings>(data, size);
}
