// SPDX-License-Identifier: Apache-2.0
// chains.h with packed rings.
#include "fuzz/chains.h"
#include "fuzz/packed_rings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return usvhost::fuzz::run_chains<usvhost::fuzz::PackedRings>(data, size);
}
