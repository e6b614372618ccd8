// SPDX-License-Identifier: Apache-2.0
#include "driver/port_features.h"

#include <cinttypes>

#include "virtio/split_ring.h"

namespace usvhost {

uint64_t wanted_features(const VirtioPort& port) {
  const VirtioPortOptions& options = port.options();
  uint64_t features = kFrontEndFeatures | port.offloads();
  auto want = [&features](bool wanted, unsigned bit) {
    if (wanted) features |= feature_bit(bit);
  };
  want(options.packed, VIRTIO_F_RING_PACKED);
  want(options.in_order, VIRTIO_F_IN_ORDER);
  want(options.mergeable, VIRTIO_NET_F_MRG_RXBUF);
  want(options.indirect, VIRTIO_RING_F_INDIRECT_DESC);
  want(options.event_index, VIRTIO_RING_F_EVENT_IDX);
  want(true, VIRTIO_NET_F_MTU);
  want(options.back_end_mac != BackEndMac::kIgnored, VIRTIO_NET_F_MAC);
  want(options.queue_pairs > 1, VIRTIO_NET_F_MQ);
  return without_orphans(features);
}

Status check_features(const VirtioPortOptions& options, uint64_t features) {
  if (options.back_end_mac == BackEndMac::kRequired && (features & feature_bit(VIRTIO_NET_F_MAC)) == 0) {
    return failure("USV_FEATURES",
                   "expected an address from --mac, mac=, a port.json or a back-end with VIRTIO_NET_F_MAC, got none");
  }
  if ((features & feature_bit(VIRTIO_F_RING_PACKED)) != 0 || valid_split_size(options.queue_size)) return {};
  return failure("USV_FEATURES",
                 "expected a back-end with VIRTIO_F_RING_PACKED for rings of %u entries, got features 0x%" PRIx64,
                 options.queue_size, features);
}

}  // namespace usvhost
