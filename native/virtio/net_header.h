// SPDX-License-Identifier: Apache-2.0
// The header before every frame, and the policy that writes it. Offloads become a further policy with the same two members; the
// forwarder takes the policy as a template argument.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "virtio/uapi.h"

namespace usvhost {

/** virtio 1.2, 5.1.6: with VERSION_1 the header always has num_buffers, so it is 12 bytes. */
inline constexpr uint32_t kNetHeaderBytes = sizeof(virtio_net_hdr_mrg_rxbuf);
static_assert(kNetHeaderBytes == 12);

/** No offload negotiated: all fields zero but num_buffers, which is 1 without mergeable buffers (5.1.6.4.1). */
struct PlainHeader {
  static constexpr uint32_t kBytes = kNetHeaderBytes;
  /** A header that is right already is left alone: its cache line then stays shared with a driver that only reads it. */
  [[gnu::always_inline]] static void write(uint8_t* header, uint16_t buffers = 1) {
    // Two words that never leave registers. Fields put together in memory would be loaded in another width than they were stored in, which
    // is not forwarded from one to the other: the load would wait until all stores before it, those of the last frame too, are in the cache.
    constexpr uint64_t kFirst = 0;
    const uint32_t rest = uint32_t{buffers} << kNumBuffersShift;
    uint64_t found_first;
    uint32_t found_rest;
    std::memcpy(&found_first, header, sizeof found_first);
    std::memcpy(&found_rest, header + sizeof found_first, sizeof found_rest);
    if (((kFirst ^ found_first) | (rest ^ found_rest)) == 0) return;
    std::memcpy(header, &kFirst, sizeof kFirst);
    std::memcpy(header + sizeof kFirst, &rest, sizeof rest);
  }

 private:
  static_assert(std::endian::native == std::endian::little, "fields of the header are little-endian");
  static constexpr unsigned kNumBuffersShift = 8 * (offsetof(virtio_net_hdr_mrg_rxbuf, num_buffers) - sizeof(uint64_t));
};

}  // namespace usvhost
