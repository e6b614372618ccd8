// SPDX-License-Identifier: Apache-2.0
// Where the three areas of a ring lie, whichever kind it is: what SET_VRING_ADDR tells a back-end.
#pragma once

#include "virtio/packed_ring.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** Split rings call the second area `avail` and the third one `used`. */
struct RingAddresses {
  RingAddresses() = default;
  RingAddresses(const SplitRing& ring) : desc(ring.desc), driver(ring.avail), device(ring.used), size(ring.size) {}
  RingAddresses(const PackedRing& ring)
      : desc(ring.desc), driver(ring.driver), device(ring.device), size(ring.size), packed(true) {}

  const void* desc = nullptr;
  const void* driver = nullptr;
  const void* device = nullptr;
  uint16_t size = 0;
  bool packed = false;
};

}  // namespace usvhost
