// SPDX-License-Identifier: Apache-2.0
// Bytes become the rings of two pods: descriptors, tables, availability and frames. The forwarder then moves what it can, while
// nobody writes. A target gives the kind of ring.
#pragma once

#include "fuzz/pods.h"

namespace usvhost::fuzz {

template <class Ring>
int run_chains(const uint8_t* data, size_t size) {
  if (!FaultGuard::install().ok()) abort();
  static TwoPods<Ring> bench;
  Input input(data, size);
  bench.reset(input);
  for (int step = 0; step < 400 && !input.empty(); step++) {
    uint8_t what = input.byte();
    if ((what >> 2 & 7) != 7) {
      bench.write(what, input);
      continue;
    }
    Pod<Ring>& pod = *bench.pods[what & 1];
    if (pod.runtime.broken.load() != RingError::kNone) continue;
    if (bench.forward(pod) != 0) pod.rings[0].check(pod.queues[0]);
  }
  bench.check_counters();
  return 0;
}

}  // namespace usvhost::fuzz
