// SPDX-License-Identifier: Apache-2.0
#include "switch/data_thread.h"

namespace usvhost {

uint32_t DataThread::poll() {
  uint32_t now = coarse_seconds();
  uint32_t moved = lists_.pass([&](PortRuntime& port) {
    return port.broken.load(std::memory_order_relaxed) == RingError::kNone ? forwarder_.forward(port, now) : 0;
  });
  if (forwarder_.take_broken()) [[unlikely]]
    on_broken_();
  return moved;
}

void DataThread::arm() {
  for_each_queue([](DeviceQueue& queue) { queue.want_kicks(); });
  // Fence [D1]: our wish for kicks before the look at avail->idx in pending(); pairs with the driver's [D2].
  full_fence();
}

bool DataThread::pending() {
  bool found = false;
  for_each_queue([&](DeviceQueue& queue) {
    // A broken index counts too: the next pass marks the port.
    if (queue.pending() || queue.error() != RingError::kNone) found = true;
  });
  return found;
}

void DataThread::disarm() {
  for_each_queue([](DeviceQueue& queue) { queue.refuse_kicks(); });
}

}  // namespace usvhost
