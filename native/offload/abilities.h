// SPDX-License-Identifier: Apache-2.0
// What the two ends of a frame agreed on with the switch: which work a sender may leave undone, and which undone work a
// receiver takes. Derived from the acknowledged feature bits alone.
#pragma once

#include <cstdint>

#include "virtio/features.h"

namespace usvhost {

/** One direction of a port. Segmentation without checksums is nothing (virtio 1.2, 5.1.3.1), so it is not represented. */
struct Offloads {
  bool checksum = false;
  bool tcp4 = false;
  bool tcp6 = false;
  bool ecn = false;  // segmentation of a frame whose CWR flag is set

  bool any() const { return checksum; }
  bool operator==(const Offloads&) const = default;
};

namespace offload_detail {
inline Offloads choose(uint64_t features, unsigned checksum, unsigned tcp4, unsigned tcp6, unsigned ecn) {
  auto has = [features](unsigned bit) { return (features & feature_bit(bit)) != 0; };
  Offloads found;
  found.checksum = has(checksum);
  found.tcp4 = found.checksum && has(tcp4);
  found.tcp6 = found.checksum && has(tcp6);
  found.ecn = (found.tcp4 || found.tcp6) && has(ecn);
  return found;
}
}  // namespace offload_detail

/** What the pod may leave to us on frames that it sends (virtio 1.2, 5.1.6.2). */
inline Offloads sender_offloads(uint64_t features) {
  return offload_detail::choose(features, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6,
                                VIRTIO_NET_F_HOST_ECN);
}

/** What we may leave to the pod on frames that it receives (virtio 1.2, 5.1.6.4). */
inline Offloads receiver_offloads(uint64_t features) {
  return offload_detail::choose(features, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
                                VIRTIO_NET_F_GUEST_ECN);
}

}  // namespace usvhost
