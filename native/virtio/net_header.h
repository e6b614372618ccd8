// SPDX-License-Identifier: Apache-2.0
// The header before every frame, and the policy that writes it. Offloads become a further policy with the same two members; the
// forwarder takes the policy as a template argument.
#pragma once

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
    virtio_net_hdr_mrg_rxbuf value{};
    value.num_buffers = buffers;
    uint64_t wanted[2] = {};
    uint64_t found[2] = {};
    std::memcpy(wanted, &value, sizeof value);
    std::memcpy(found, header, sizeof value);
    if (((wanted[0] ^ found[0]) | (wanted[1] ^ found[1])) != 0) std::memcpy(header, &value, sizeof value);
  }
};

}  // namespace usvhost
