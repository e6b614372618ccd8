// SPDX-License-Identifier: Apache-2.0
// What the driver side of a ring keeps in private memory of each buffer that the device has, whichever kind of ring it is.
// Nothing here is shared, so what the device writes can be checked against it.
#pragma once

#include <cstdint>

namespace usvhost {

/** A stretch of memory that becomes one descriptor. */
struct Piece {
  uint64_t address;
  uint32_t length;
};

/** A buffer that came back. */
struct Completion {
  uint32_t cookie;
  uint32_t written;  // the device's word, unchecked; without meaning when `whole`
  bool whole;        // in order, and skipped: used from beginning to end (virtio 1.2, 2.7.9 and 2.8.9)
};

struct DriverSlot {
  static constexpr uint32_t kFree = UINT32_MAX;

  uint32_t cookie = kFree;  // of the buffer that this id is outstanding for
  uint16_t entries = 0;     // descriptors that it takes in the ring
  uint16_t order = 0;       // split rings: its number among all buffers, or of a chain in any order the next id
};

}  // namespace usvhost
