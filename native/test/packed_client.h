// SPDX-License-Identifier: Apache-2.0
// A raw front-end whose rings are packed.
#pragma once

#include "test/hostile_client.h"
#include "test/raw_packed_ring.h"

namespace usvhost::test {

inline constexpr uint64_t kPacked = kFrontEndFeatures | feature_bit(VIRTIO_F_RING_PACKED);
inline constexpr uint16_t kEntries = 255;

/** A client whose rings are packed; its buffers and messages are those of HostileClient. */
struct PackedClient : HostileClient {
  explicit PackedClient(const std::string& path, uint16_t size = kEntries) : HostileClient(path) {
    for (int i = 0; i < kQueues; i++) packed[i].attach(at(static_cast<size_t>(i) * 8192), size);
  }
  bool start(uint16_t queue, uint32_t base = 0x8000'8000) {
    const PackedRing& ring = packed[queue].ring();
    VringAddress where{queue, 0, guest_address(ring.desc), guest_address(ring.device), guest_address(ring.driver), 0};
    return send_state(Request::kSetVringNum, queue, ring.size) && send_state(Request::kSetVringBase, queue, base) &&
           send(Request::kSetVringAddr, &where, sizeof where) &&
           send_number(Request::kSetVringCall, queue, {calls[queue].get()}) &&
           send_number(Request::kSetVringKick, queue, {kicks[queue].get()}) &&
           send_state(Request::kSetVringEnable, queue, 1);
  }
  bool begin(uint64_t features = kPacked) {
    return send_number(Request::kSetProtocolFeatures, kSupportedProtocolFeatures) && send(Request::kSetOwner) &&
           send_number(Request::kSetFeatures, features) && send_memory(kFlagNeedReply) && acknowledged();
  }
  bool ready() { return send(Request::kGetStatus) && receive().has_value(); }
  /** Sends one broadcast frame, with a kick when the switch asks for it. */
  void transmit(uint32_t number) {
    uint8_t* bytes = at(kData + 2048u * (number % 16));
    memset(bytes, 0, 12 + 60);
    memset(bytes + 12, 0xff, 6);
    bytes[18] = 0x02;
    bytes[26] = static_cast<uint8_t>(number);
    packed[kTransmitQueue].offer({{guest_address(bytes), 72}}, static_cast<uint16_t>(number));
    full_fence();
    if (packed[kTransmitQueue].device_flags() != VRING_PACKED_EVENT_FLAG_DISABLE) kick(kTransmitQueue);
  }
  RawPackedRing packed[kQueues];
};

}  // namespace usvhost::test
