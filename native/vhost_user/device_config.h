// SPDX-License-Identifier: Apache-2.0
// What a port tells its pod about the device: the configuration space of virtio-net and the feature bits that say which of
// its fields are there.
#pragma once

#include <cstring>
#include <optional>

#include "virtio/features.h"

namespace usvhost {

/** Facts of one port. The defaults are those of a port without any wish. */
struct DeviceFacts {
  std::optional<uint64_t> mac;  // byte 0 of the address in the lowest bits
  uint16_t mtu = 1500;          // payload bytes of a frame, 68 or more
};

/** Feature bits of the fields that device_config() fills (virtio 1.2, 5.1.4). */
inline uint64_t config_features(const DeviceFacts& facts) {
  return feature_bit(VIRTIO_NET_F_MTU) | feature_bit(VIRTIO_NET_F_STATUS) |
         (facts.mac ? feature_bit(VIRTIO_NET_F_MAC) : 0);
}

/** The configuration space. The link of a port is up for as long as its connection lasts. */
inline virtio_net_config device_config(const DeviceFacts& facts) {
  virtio_net_config config{};
  if (facts.mac) std::memcpy(config.mac, &*facts.mac, sizeof config.mac);
  config.status = VIRTIO_NET_S_LINK_UP;
  config.max_virtqueue_pairs = kMaxQueuePairs;
  config.mtu = facts.mtu;
  return config;
}

}  // namespace usvhost
