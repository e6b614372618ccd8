// SPDX-License-Identifier: Apache-2.0
// The front-end's half of vhost-user as a state machine without I/O: asked for the next message until it needs a reply, fed
// with replies, until the rings run; and once more until they have stopped. Up to kMaxQueuePairs pairs of rings, one memory region.
#pragma once

#include <span>
#include <vector>

#include "base/status.h"
#include "vhost_user/messages.h"
#include "virtio/features.h"
#include "virtio/ring_addresses.h"

namespace usvhost {

struct FrontEndQueue {
  RingAddresses ring;
  int kick_fd = -1;
  int call_fd = -1;
};

struct FrontEndConfig {
  MemoryRegion region{};
  int memory_fd = -1;
  uint64_t features = kFrontEndFeatures;  // to ask for
  uint32_t largest_payload = UINT16_MAX;  // of a frame that one receive buffer takes
  uint16_t queue_pairs = 1;               // to use; fewer are when the back-end has fewer
  FrontEndQueue queues[kMaxQueues];
};

/** A request to send, with borrowed descriptors. */
struct OutgoingMessage {
  Request request{};
  uint32_t flags = 0;
  uint32_t size = 0;
  Payload payload{};
  int fds[1] = {-1};
  size_t fd_count = 0;
  bool expects_reply = false;
};

/** SET_VRING_ENABLE for one queue of a connection whose handshake is done. */
OutgoingMessage vring_enable(uint16_t queue, bool enabled);

class FrontEnd {
 public:
  explicit FrontEnd(const FrontEndConfig& config) : config_(config), queue_pairs_(config.queue_pairs) {}

  /** The next request; false when a reply is awaited or the handshake is done. */
  bool next(OutgoingMessage& out);
  /** The header that the reply to the last request must match (check_reply_header()). */
  const MessageHeader& awaited() const { return awaited_; }
  /** Takes a reply. Fails with USV_FEATURES when the back-end lacks what is needed, USV_MESSAGE on a refusal. */
  Status reply(const Message& message);
  /** Whether the handshake is through and the rings run. */
  bool done() const { return step_ == Step::kDone; }
  /**
   * Once done(): what next() gives from now on stops each ring and resets the device, as a driver does before it takes its
   * memory away (virtio 1.2, 3.3.1). Status 0 is a reset (2.4), RESET_DEVICE the one of a back-end without STATUS.
   */
  void leave() { step_ = Step::kGetVringBase; }
  /** Whether all of leave() has been sent, and answered where there is an answer. */
  bool left() const { return step_ == Step::kLeft; }
  bool waiting() const { return waiting_; }
  /** Whether all is known that rings depend on: features(), queue_pairs(), mtu() and mac() are final. */
  bool agreed() const { return step_ >= Step::kSetOwner; }
  /** What both sides have; 0 until the back-end has told. */
  uint64_t features() const { return features_; }
  /** What both sides have, at least 1. */
  uint16_t queue_pairs() const { return (features_ & feature_bit(VIRTIO_NET_F_MQ)) != 0 ? queue_pairs_ : uint16_t{1}; }
  /** Largest payload of a frame by the back-end's configuration space, 68 or more; 0: VIRTIO_NET_F_MTU is not negotiated. */
  uint16_t mtu() const { return mtu_; }
  /** The address that the configuration space has for us, a valid_station_address(); 0: VIRTIO_NET_F_MAC is not negotiated. */
  uint64_t mac() const { return mac_; }
  /** Rings that were made for what was agreed() on, in place of those of the configuration, before any of them is told. */
  void set_queue(uint16_t index, const FrontEndQueue& queue) { config_.queues[index] = queue; }
  uint64_t protocol_features() const { return protocol_features_; }

 private:
  enum class Step : uint8_t {
    kGetFeatures,
    kGetProtocolFeatures,
    kSetProtocolFeatures,
    kGetQueueNum,
    kGetConfig,
    kSetOwner,
    kSetFeatures,
    kSetMemTable,
    kVringNum,
    kVringBase,
    kVringAddr,
    kVringCall,
    kVringKick,
    kVringEnable,
    kSetStatus,
    kDone,
    kGetVringBase,
    kResetStatus,
    kResetDevice,
    kLeft,
  };
  bool at_rest() const { return done() || left(); }
  bool skipped() const;
  void advance();
  void build(OutgoingMessage& out);
  Status take_config(const Message& message);
  bool has(unsigned feature) const { return (features_ & feature_bit(feature)) != 0; }
  void forget(unsigned feature) { features_ &= ~feature_bit(feature); }
  /** Those that say nothing unless their field of the configuration space is read; queue pairs are known without. */
  void forget_fields() {
    forget(VIRTIO_NET_F_MTU);
    forget(VIRTIO_NET_F_MAC);
  }
  bool has_protocol(unsigned bit) const { return (protocol_features_ & feature_bit(bit)) != 0; }

  FrontEndConfig config_;
  Step step_ = Step::kGetFeatures;
  uint16_t queue_ = 0;
  uint16_t queue_pairs_;
  uint16_t mtu_ = 0;
  uint64_t mac_ = 0;
  bool waiting_ = false;
  MessageHeader awaited_{};
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
};

}  // namespace usvhost
