// SPDX-License-Identifier: Apache-2.0
// race.h with packed rings.
#include "fuzz/packed_rings.h"
#include "fuzz/race.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return usvhost::fuzz::run_race<usvhost::fuzz::PackedRings>(data, size);
}
