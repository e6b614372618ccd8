// SPDX-License-Identifier: Apache-2.0
// The feature bits this code implements, each with code and a test behind it; no other bit is ever offered.
#pragma once

#include <cstdint>

#include "virtio/uapi.h"

namespace usvhost {

inline constexpr uint64_t feature_bit(unsigned bit) { return uint64_t{1} << bit; }

/** Bit 30 of the vhost-user feature word: the peer knows GET/SET_PROTOCOL_FEATURES (vhost-user, "Feature negotiation"). */
inline constexpr unsigned kVhostUserProtocolFeatures = 30;

inline constexpr uint64_t kRequiredFeatures = feature_bit(VIRTIO_F_VERSION_1);
/** What our driver always asks for; a port adds what it can do (driver/port_features.h). */
inline constexpr uint64_t kFrontEndFeatures = kRequiredFeatures | feature_bit(kVhostUserProtocolFeatures);
/** What the driver may leave to the device in frames that it sends (virtio 1.2, 5.1.3). */
inline constexpr uint64_t kSendOffloads = feature_bit(VIRTIO_NET_F_CSUM) | feature_bit(VIRTIO_NET_F_HOST_TSO4) |
                                          feature_bit(VIRTIO_NET_F_HOST_TSO6) | feature_bit(VIRTIO_NET_F_HOST_ECN);

/** What the device may leave to the driver in frames that it delivers. */
inline constexpr uint64_t kReceiveOffloads = feature_bit(VIRTIO_NET_F_GUEST_CSUM) |
                                             feature_bit(VIRTIO_NET_F_GUEST_TSO4) |
                                             feature_bit(VIRTIO_NET_F_GUEST_TSO6) | feature_bit(VIRTIO_NET_F_GUEST_ECN);

/** What is left undone on a frame the switch does for a receiver that does not; UDP is not among it. */
inline constexpr uint64_t kOffloadFeatures = kSendOffloads | kReceiveOffloads;
/** Our back-end uses buffers in the order they came in, whatever was negotiated; some drivers are faster when told so. */
inline constexpr uint64_t kBackEndFeatures = kRequiredFeatures | feature_bit(kVhostUserProtocolFeatures) |
                                             feature_bit(VIRTIO_F_IN_ORDER) | feature_bit(VIRTIO_RING_F_INDIRECT_DESC) |
                                             feature_bit(VIRTIO_RING_F_EVENT_IDX) | feature_bit(VIRTIO_F_RING_PACKED) |
                                             feature_bit(VIRTIO_NET_F_MRG_RXBUF) | feature_bit(VIRTIO_NET_F_MQ) |
                                             kOffloadFeatures;

/**
 * Without the bits that mean nothing for lack of others, which a driver must not accept (virtio 1.2, 5.1.3.1). Receiving
 * segmented frames needs mergeable buffers too: a driver of ours posts none that would hold a whole one.
 */
inline constexpr uint64_t without_orphans(uint64_t features) {
  auto need = [&features](uint64_t bits, uint64_t any_of) {
    if ((features & any_of) == 0) features &= ~bits;
  };
  constexpr uint64_t kHostTso = feature_bit(VIRTIO_NET_F_HOST_TSO4) | feature_bit(VIRTIO_NET_F_HOST_TSO6);
  constexpr uint64_t kGuestTso = feature_bit(VIRTIO_NET_F_GUEST_TSO4) | feature_bit(VIRTIO_NET_F_GUEST_TSO6);
  need(kHostTso, feature_bit(VIRTIO_NET_F_CSUM));
  need(feature_bit(VIRTIO_NET_F_HOST_ECN), kHostTso);
  need(kGuestTso, feature_bit(VIRTIO_NET_F_GUEST_CSUM));
  need(kGuestTso, feature_bit(VIRTIO_NET_F_MRG_RXBUF));
  need(feature_bit(VIRTIO_NET_F_GUEST_ECN), kGuestTso);
  return features;
}

/** Protocol feature bits (vhost-user, "Protocol features"). */
inline constexpr unsigned kProtocolMq = 0;
inline constexpr unsigned kProtocolReplyAck = 3;
inline constexpr unsigned kProtocolNetMtu = 4;
inline constexpr unsigned kProtocolConfig = 9;
inline constexpr unsigned kProtocolResetDevice = 13;
inline constexpr unsigned kProtocolConfigureMemSlots = 15;
inline constexpr unsigned kProtocolStatus = 16;
inline constexpr uint64_t kSupportedProtocolFeatures =
    feature_bit(kProtocolMq) | feature_bit(kProtocolReplyAck) | feature_bit(kProtocolNetMtu) |
    feature_bit(kProtocolConfig) | feature_bit(kProtocolResetDevice) | feature_bit(kProtocolConfigureMemSlots) |
    feature_bit(kProtocolStatus);
/** What our driver makes use of. */
inline constexpr uint64_t kFrontEndProtocolFeatures = feature_bit(kProtocolMq) | feature_bit(kProtocolReplyAck) |
                                                      feature_bit(kProtocolConfig) | feature_bit(kProtocolResetDevice) |
                                                      feature_bit(kProtocolStatus);

/** Most pairs of a port; queue 2i is the front-end's receive queue of pair i, 2i + 1 its transmit queue (virtio 1.2, 5.1.2). */
inline constexpr uint16_t kMaxQueuePairs = 8;
inline constexpr uint16_t kMaxQueues = 2 * kMaxQueuePairs;

/** Of a port with one pair; the numbers of its two queues, and of those of any pair modulo 2. */
inline constexpr uint16_t kQueues = 2;
inline constexpr uint16_t kReceiveQueue = 0;
inline constexpr uint16_t kTransmitQueue = 1;

}  // namespace usvhost
