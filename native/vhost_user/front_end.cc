// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/front_end.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "vhost_user/message_table.h"
#include "virtio/station_address.h"
#include "virtio/uapi.h"

namespace usvhost {

namespace {

constexpr uint64_t kDriverStatus =
    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

/** virtio 1.2, 5.1.4.1 */
constexpr unsigned kLeastMtu = 68;

/** Both positions of a packed ring at its beginning, with wrap counter 1 (vhost-user, "Vring state description"). */
constexpr uint32_t kPackedBase = 0x80008000;

/** As much of the configuration space as has fields that are used (virtio 1.2, 5.1.4). */
constexpr uint32_t kConfigBytes = offsetof(virtio_net_config, mtu) + sizeof(virtio_net_config::mtu);

/** Features whose fields are read there. */
constexpr unsigned kConfigFeatures[] = {VIRTIO_NET_F_MQ, VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC};

uint64_t pointer_value(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace

OutgoingMessage vring_enable(uint16_t queue, bool enabled) {
  OutgoingMessage out;
  out.request = Request::kSetVringEnable;
  out.payload.state = {queue, enabled ? 1u : 0u};
  out.size = sizeof(VringState);
  return out;
}

/** Steps that what was negotiated leaves out. */
bool FrontEnd::skipped() const {
  bool protocol = (features_ & feature_bit(kVhostUserProtocolFeatures)) != 0;
  switch (step_) {
    case Step::kGetProtocolFeatures:
    case Step::kSetProtocolFeatures:
    case Step::kVringEnable: return !protocol;
    case Step::kGetQueueNum: return !has_protocol(kProtocolMq);
    case Step::kGetConfig:
      return !has_protocol(kProtocolConfig) || std::none_of(std::begin(kConfigFeatures), std::end(kConfigFeatures),
                                                            [this](unsigned bit) { return has(bit); });
    case Step::kSetStatus:
    case Step::kResetStatus: return !has_protocol(kProtocolStatus);
    case Step::kResetDevice: return has_protocol(kProtocolStatus) || !has_protocol(kProtocolResetDevice);
    default: return false;
  }
}

/** The steps from kVringNum to kVringEnable and kGetVringBase run once a queue, the rest once a connection. */
void FrontEnd::advance() {
  // All rings are set up before the first one is enabled, and a ring's kick comes last (it starts the ring).
  if (step_ == Step::kVringKick || step_ == Step::kVringEnable || step_ == Step::kGetVringBase) {
    if (++queue_ < 2 * queue_pairs()) {
      if (step_ == Step::kVringKick) step_ = Step::kVringNum;
      return;
    }
    queue_ = 0;
  }
  step_ = static_cast<Step>(static_cast<uint8_t>(step_) + 1);
}

bool FrontEnd::next(OutgoingMessage& out) {
  while (!waiting_ && !at_rest() && skipped()) advance();
  if (waiting_ || at_rest()) return false;
  out = {};
  build(out);
  awaited_ = {static_cast<uint32_t>(out.request), out.flags | kFlagVersion, out.size};
  if (out.expects_reply) {
    waiting_ = true;
  } else {
    advance();
    while (!at_rest() && skipped()) advance();
  }
  return true;
}

void FrontEnd::build(OutgoingMessage& out) {
  const FrontEndQueue& queue = config_.queues[queue_];
  auto number = [&out](Request request, uint64_t value) {
    out.request = request;
    out.payload.number = value;
    out.size = sizeof value;
  };
  auto state = [&](Request request, uint32_t value) {
    out.request = request;
    out.payload.state = {queue_, value};
    out.size = sizeof(VringState);
  };
  auto ask = [&out](Request request) {
    out.request = request;
    out.expects_reply = true;
  };
  auto acknowledged = [&] {
    if (!has_protocol(kProtocolReplyAck)) return;
    out.flags = kFlagNeedReply;
    out.expects_reply = true;
  };
  auto attach = [&out](int fd) {
    out.fds[0] = fd;
    out.fd_count = 1;
  };
  switch (step_) {
    case Step::kGetFeatures: return ask(Request::kGetFeatures);
    case Step::kGetProtocolFeatures: return ask(Request::kGetProtocolFeatures);
    case Step::kSetProtocolFeatures: return number(Request::kSetProtocolFeatures, protocol_features_);
    case Step::kGetQueueNum: return ask(Request::kGetQueueNum);
    case Step::kGetConfig:
      ask(Request::kGetConfig);
      out.payload.config = {0, kConfigBytes, 0, {}};
      out.size = offsetof(ConfigSpace, bytes) + kConfigBytes;
      return;
    case Step::kSetOwner: out.request = Request::kSetOwner; return;
    case Step::kSetFeatures: return number(Request::kSetFeatures, features_);
    case Step::kSetMemTable:
      out.request = Request::kSetMemTable;
      out.payload.memory.count = 1;
      out.payload.memory.regions[0] = config_.region;
      out.size = offsetof(MemoryTable, regions) + sizeof(MemoryRegion);
      attach(config_.memory_fd);
      // The one request whose failure must be known: without the acknowledgement the rings would run on nothing.
      return acknowledged();
    case Step::kVringNum: return state(Request::kSetVringNum, queue.ring.size);
    case Step::kVringBase: return state(Request::kSetVringBase, queue.ring.packed ? kPackedBase : 0);
    case Step::kVringAddr:
      out.request = Request::kSetVringAddr;
      out.payload.address = {
          queue_, 0, pointer_value(queue.ring.desc), pointer_value(queue.ring.device), pointer_value(queue.ring.driver),
          0};
      out.size = sizeof(VringAddress);
      return;
    case Step::kVringCall: attach(queue.call_fd); return number(Request::kSetVringCall, queue_);
    case Step::kVringKick: attach(queue.kick_fd); return number(Request::kSetVringKick, queue_);
    case Step::kVringEnable: out = vring_enable(queue_, true); return;
    case Step::kSetStatus:
    case Step::kResetStatus:
      number(Request::kSetStatus, step_ == Step::kSetStatus ? kDriverStatus : 0);
      return acknowledged();
    case Step::kGetVringBase:
      state(Request::kGetVringBase, 0);
      out.expects_reply = true;
      return;
    case Step::kResetDevice: out.request = Request::kResetDevice; return acknowledged();
    case Step::kDone:
    case Step::kLeft: return;
  }
}

Status FrontEnd::reply(const Message& message) {
  if (!waiting_) return failure("USV_MESSAGE", "expected no message, got request %u", message.header.request);
  uint64_t number = message.payload.number;
  switch (step_) {
    case Step::kGetFeatures:
      features_ = without_orphans(number & config_.features);
      if ((features_ & kRequiredFeatures) != kRequiredFeatures) {
        return failure("USV_FEATURES", "expected a back-end with VIRTIO_F_VERSION_1, got features 0x%" PRIx64, number);
      }
      if ((features_ & feature_bit(kVhostUserProtocolFeatures)) == 0) {
        for (unsigned bit : kConfigFeatures) forget(bit);
      }
      break;
    case Step::kGetProtocolFeatures:
      protocol_features_ = number & kFrontEndProtocolFeatures;
      // Without it nobody says how many pairs there are, and rings beyond the first pair do not exist.
      if (!has_protocol(kProtocolMq)) forget(VIRTIO_NET_F_MQ);
      if (!has_protocol(kProtocolConfig)) forget_fields();
      break;
    case Step::kGetQueueNum:
      if (number == 0) return failure("USV_FEATURES", "expected at least one queue pair, got none");
      queue_pairs_ = static_cast<uint16_t>(std::min<uint64_t>(queue_pairs_, number));
      break;
    case Step::kGetConfig:
      if (Status status = take_config(message); !status.ok()) return status;
      break;
    case Step::kGetVringBase:  // where the ring stood is of no use to whoever ends
      if (message.payload.state.index != queue_) {
        return failure("USV_MESSAGE", "expected the base of ring %u, got that of %u", queue_,
                       message.payload.state.index);
      }
      break;
    default:
      if (number != 0) {
        return failure("USV_MESSAGE", "expected the back-end to accept %s, got refusal %" PRIu64,
                       message_name(message.header.request), number);
      }
  }
  waiting_ = false;
  advance();
  while (!at_rest() && skipped()) advance();
  return {};
}

/** The back-end's words: each field is looked at only where its feature says that it is there. */
Status FrontEnd::take_config(const Message& message) {
  if (message.header.size == 0) {  // it cannot tell (vhost-user, "VHOST_USER_GET_CONFIG")
    forget_fields();
    return {};
  }
  const ConfigSpace& piece = message.payload.config;
  if (piece.offset != 0 || piece.size != kConfigBytes) {
    return failure("USV_MESSAGE", "expected the first %u bytes of the configuration space, got %u from %u on",
                   kConfigBytes, piece.size, piece.offset);
  }
  virtio_net_config config{};
  memcpy(&config, piece.bytes, kConfigBytes);
  if (has(VIRTIO_NET_F_MQ)) {
    uint16_t most = config.max_virtqueue_pairs;
    if (most < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || most > VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX) {
      return failure("USV_MESSAGE", "expected 1 to 32768 queue pairs in the configuration space, got %u", most);
    }
    queue_pairs_ = std::min(queue_pairs_, most);
  }
  if (has(VIRTIO_NET_F_MAC)) {
    uint64_t mac = load_address(config.mac);
    // Frames from such an address would be lost at every bridge, so it is not one to go on with.
    if (!valid_station_address(mac)) {
      return failure("USV_MESSAGE", "expected a unicast MAC address in the configuration space, got %s",
                     address_text(mac).c_str());
    }
    mac_ = mac;
  }
  if (has(VIRTIO_NET_F_MTU)) {
    if (config.mtu < kLeastMtu) {
      return failure("USV_MESSAGE", "expected an MTU of at least %u in the configuration space, got %u", kLeastMtu,
                     config.mtu);
    }
    // Whoever accepts an MTU has buffers for a frame of that size (5.1.4.2); ours join only with VIRTIO_NET_F_MRG_RXBUF.
    bool fits = config.mtu <= config_.largest_payload || has(VIRTIO_NET_F_MRG_RXBUF);
    if (fits) {
      mtu_ = config.mtu;
    } else {
      forget(VIRTIO_NET_F_MTU);
    }
  }
  return {};
}

}  // namespace usvhost
