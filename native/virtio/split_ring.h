// SPDX-License-Identifier: Apache-2.0
// The three areas of a split virtqueue (virtio 1.2, 2.7): sizes, alignments, pointers. No rule about who may write.
#pragma once

#include <cstddef>
#include <cstdint>

#include "virtio/uapi.h"

namespace usvhost {

/** Largest queue that is accepted; the specification allows 32768, peers use at most 4096. */
inline constexpr uint32_t kMaxQueueSize = 4096;

inline constexpr bool valid_split_size(uint32_t size) {
  return size != 0 && size <= kMaxQueueSize && (size & (size - 1)) == 0;
}

struct SplitRing {
  vring_desc* desc = nullptr;
  vring_avail* avail = nullptr;
  vring_used* used = nullptr;
  uint16_t size = 0;

  static constexpr size_t desc_bytes(size_t size) { return sizeof(vring_desc) * size; }
  /** flags, idx, ring and the used_event word that VIRTIO_F_EVENT_IDX adds; always counted, so that it never is outside. */
  static constexpr size_t avail_bytes(size_t size) { return 6 + 2 * size; }
  static constexpr size_t used_bytes(size_t size) { return 6 + sizeof(vring_used_elem) * size; }
  static constexpr uint64_t kDescAlign = 16;
  static constexpr uint64_t kAvailAlign = 2;
  static constexpr uint64_t kUsedAlign = 4;
};

}  // namespace usvhost
