// SPDX-License-Identifier: Apache-2.0
// The front-end's half of the vhost-user handshake as a state machine without I/O: asked for the next message until it
// needs a reply, fed with replies, until the rings run. One pair of rings, one memory region.
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
  FrontEndQueue queues[kQueues];
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

class FrontEnd {
 public:
  explicit FrontEnd(const FrontEndConfig& config) : config_(config) {}

  /** The next request; false when a reply is awaited or the handshake is done. */
  bool next(OutgoingMessage& out);
  /** The header that the reply to the last request must match (check_reply_header()). */
  const MessageHeader& awaited() const { return awaited_; }
  /** Takes a reply. Fails with USV_FEATURES when the back-end lacks what is needed, USV_MESSAGE on a refusal. */
  Status reply(const Message& message);
  bool done() const { return step_ == Step::kDone; }
  bool waiting() const { return waiting_; }
  /** What both sides have; 0 until the back-end has told. */
  uint64_t features() const { return features_; }
  /** Rings that were made for features(), in place of those of the configuration, before any of them is told. */
  void set_queue(uint16_t index, const FrontEndQueue& queue) { config_.queues[index] = queue; }
  uint64_t protocol_features() const { return protocol_features_; }

 private:
  enum class Step : uint8_t {
    kGetFeatures,
    kGetProtocolFeatures,
    kSetProtocolFeatures,
    kGetQueueNum,
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
  };
  bool skipped() const;
  void advance();
  void build(OutgoingMessage& out);
  bool has_protocol(unsigned bit) const { return (protocol_features_ & feature_bit(bit)) != 0; }

  FrontEndConfig config_;
  Step step_ = Step::kGetFeatures;
  uint16_t queue_ = 0;
  bool waiting_ = false;
  MessageHeader awaited_{};
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
};

}  // namespace usvhost
