// SPDX-License-Identifier: Apache-2.0
// The header before every frame, and the policy that writes it. Mergeable receive buffers and offloads become
// further policies with the same two members; the queues and the forwarder take the policy as a template argument.
#pragma once

#include <cstdint>
#include <cstring>

#include "virtio/uapi.h"

namespace usvhost {

/** virtio 1.2, 5.1.6: with VERSION_1 the header always has num_buffers, so it is 12 bytes. */
inline constexpr uint32_t kNetHeaderBytes = sizeof(virtio_net_hdr_mrg_rxbuf);
static_assert(kNetHeaderBytes == 12);

/** No offload negotiated and one buffer a frame: all fields zero but num_buffers, which is 1 (5.1.6.4.1). */
struct PlainHeader {
  static constexpr uint32_t kBytes = kNetHeaderBytes;
  static void write(uint8_t* header) {
    virtio_net_hdr_mrg_rxbuf value{};
    value.num_buffers = 1;
    std::memcpy(header, &value, sizeof value);
  }
};

}  // namespace usvhost
