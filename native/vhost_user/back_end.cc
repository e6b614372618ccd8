// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/back_end.h"

#include <cinttypes>
#include <cstring>

#include "vhost_user/eventfd_check.h"
#include "vhost_user/message_table.h"

namespace usvhost {

namespace {

/** Keeps the data path away while a message changes what it uses. */
class Paused {
 public:
  explicit Paused(BackEndListener& listener) : listener_(listener) { listener_.pause(); }
  ~Paused() { listener_.resume(); }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

 private:
  BackEndListener& listener_;
};

void answer(Reply& reply, uint64_t number) {
  reply.present = true;
  reply.size = sizeof number;
  reply.payload.number = number;
}

RegionClaim claim_of(const MemoryRegion& region) {
  return {region.guest_address, region.size, region.user_address, region.mmap_offset};
}

Status not_an_eventfd(const char* name) {
  return failure("USV_MESSAGE", "expected an eventfd with %s, got another kind of descriptor", name);
}

Status wrong_state(const char* name, const char* expected) {
  return failure("USV_MESSAGE", "expected %s only %s", name, expected);
}

/** The queue that a message is about, 0 for one that is about none. */
uint32_t queue_of(const Message& message) {
  switch (static_cast<Request>(message.header.request)) {
    case Request::kSetVringNum:
    case Request::kSetVringBase:
    case Request::kGetVringBase:
    case Request::kSetVringEnable: return message.payload.state.index;
    case Request::kSetVringAddr: return message.payload.address.index;
    case Request::kSetVringKick:
    case Request::kSetVringCall:
    case Request::kSetVringErr: return static_cast<uint32_t>(message.payload.number & kVringIndexMask);
    default: return 0;
  }
}

}  // namespace

Status BackEnd::handle(const Message& message, std::vector<Fd>& fds, Reply& reply) {
  Status status = check_request(message, static_cast<uint32_t>(fds.size()));
  if (status.ok()) status = check_negotiated(message.header, protocol_features_);
  if (status.ok()) status = apply(message, fds, reply);
  bool acknowledge = (message.header.flags & kFlagNeedReply) != 0 &&
                     (protocol_features_ & feature_bit(kProtocolReplyAck)) != 0 && !reply.present;
  // vhost-user, REPLY_ACK: zero only when the request has really been carried out.
  if (acknowledge) answer(reply, status.ok() ? 0 : 1);
  return status;
}

Status BackEnd::apply(const Message& message, std::vector<Fd>& fds, Reply& reply) {
  const Payload& payload = message.payload;
  if (queue_of(message) >= 2 && (protocol_features_ & feature_bit(kProtocolMq)) == 0) {
    return failure("USV_MESSAGE", "expected one pair of queues without MQ, got queue %u", queue_of(message));
  }
  switch (static_cast<Request>(message.header.request)) {
    case Request::kSetOwner:
    case Request::kResetOwner:  // deprecated; must not reset the device
      return {};
    case Request::kGetFeatures: answer(reply, offered()); return {};
    case Request::kSetFeatures: return set_features(payload.number);
    case Request::kGetProtocolFeatures: answer(reply, kSupportedProtocolFeatures); return {};
    case Request::kSetProtocolFeatures: return set_protocol_features(payload.number);
    case Request::kNetSetMtu: return set_mtu(payload.number);
    case Request::kGetConfig: get_config(payload.config, reply); return {};
    case Request::kSetConfig: return set_config(payload.config);
    case Request::kResetDevice: reset(); return {};
    case Request::kGetMaxMemSlots: answer(reply, kMaxRegions); return {};
    case Request::kAddMemReg: return add_region(payload.slot, fds);
    case Request::kRemMemReg: return remove_region(payload.slot);
    case Request::kGetQueueNum: answer(reply, kMaxQueuePairs); return {};
    case Request::kSetMemTable: return set_memory(payload.memory, fds);
    case Request::kSetVringNum: {
      BackEndQueue& queue = queues_[payload.state.index];
      if (queue.started) return wrong_state("SET_VRING_NUM", "while the ring is stopped");
      if (!valid_size(payload.state.value)) {
        return failure("USV_MESSAGE", "expected %s, at most %u, got %u",
                       packed() ? "entries of a packed ring" : "a power of two of entries of a split ring",
                       kMaxQueueSize, payload.state.value);
      }
      queue.size = static_cast<uint16_t>(payload.state.value);
      queue.mapped = false;
      return {};
    }
    case Request::kSetVringBase: {
      BackEndQueue& queue = queues_[payload.state.index];
      if (queue.started) return wrong_state("SET_VRING_BASE", "while the ring is stopped");
      if (!packed() && payload.state.value > UINT16_MAX) {
        return failure("USV_MESSAGE", "expected a base of a split ring below 65536, got %u", payload.state.value);
      }
      queue.base = payload.state.value;
      queue.mapped = queue.stood = false;
      return {};
    }
    case Request::kSetVringAddr: {
      Paused paused(listener_);
      BackEndQueue& queue = queues_[payload.address.index];
      if (queue.mapped) queue.base = queue.ring.base();
      queue.mapped = false;
      queue.address = payload.address;
      queue.has_address = true;
      return map_rings();
    }
    case Request::kGetVringBase: {
      Paused paused(listener_);
      BackEndQueue& queue = queues_[payload.state.index];
      stop(queue);
      reply.present = true;
      reply.size = sizeof(VringState);
      reply.payload.state = {payload.state.index, queue.base};
      return {};
    }
    case Request::kSetVringKick: return set_kick(payload.number, fds);
    case Request::kSetVringCall: return set_call(payload.number, fds);
    case Request::kSetVringErr: return {};  // accepted; ring errors end the connection, so nothing is ever signalled
    case Request::kSetVringEnable: {
      Paused paused(listener_);
      queues_[payload.state.index].enabled = payload.state.value == 1;
      return {};
    }
    case Request::kSetStatus: {
      device_status_ = static_cast<uint8_t>(payload.number);
      if (device_status_ != 0) return {};
      // Status 0 is a device reset (virtio 1.2, 2.1.2).
      Paused paused(listener_);
      for (BackEndQueue& queue : queues_) stop(queue);
      return {};
    }
    case Request::kGetStatus: answer(reply, device_status_); return {};
  }
  return failure("USV_MESSAGE", "expected a known request, got %u", message.header.request);
}

Status BackEnd::set_features(uint64_t features) {
  if ((features & ~offered()) != 0 || (features & kRequiredFeatures) != kRequiredFeatures) {
    return failure("USV_MESSAGE", "expected features within 0x%" PRIx64 " that include 0x%" PRIx64 ", got 0x%" PRIx64,
                   offered(), kRequiredFeatures, features);
  }
  Paused paused(listener_);
  features_ = features;
  // Without PROTOCOL_FEATURES rings start out enabled and SET_VRING_ENABLE never comes.
  if ((features & feature_bit(kVhostUserProtocolFeatures)) == 0) {
    for (BackEndQueue& queue : queues_) queue.enabled = true;
  }
  return {};
}

Status BackEnd::set_protocol_features(uint64_t features) {
  if ((features & ~kSupportedProtocolFeatures) != 0) {
    return failure("USV_MESSAGE", "expected protocol features within 0x%" PRIx64 ", got 0x%" PRIx64,
                   kSupportedProtocolFeatures, features);
  }
  protocol_features_ = features;
  return {};
}

Status BackEnd::set_memory(const MemoryTable& table, std::vector<Fd>& fds) {
  RegionClaim claims[kMaxRegions];
  for (uint32_t i = 0; i < table.count; i++) claims[i] = claim_of(table.regions[i]);
  RegionTable fresh;
  if (Status status = fresh.map({claims, table.count}, fds); !status.ok()) return status;
  Paused paused(listener_);
  unmap_rings();
  memory_ = std::move(fresh);
  return map_rings();
}

Status BackEnd::add_region(const MemorySlot& slot, std::vector<Fd>& fds) {
  Paused paused(listener_);
  if (Status status = memory_.add(claim_of(slot.region), fds[0].get()); !status.ok()) return status;
  return map_rings();
}

/** A ring that lay in the region ends the connection: its address leads nowhere now. */
Status BackEnd::remove_region(const MemorySlot& slot) {
  Paused paused(listener_);
  unmap_rings();
  if (Status status = memory_.remove(claim_of(slot.region)); !status.ok()) return status;
  if (memory_.count() != 0) return map_rings();
  for (const BackEndQueue& queue : queues_) {
    if (queue.started && queue.has_address) {
      return failure("USV_REGION", "expected memory under rings that run, got the removal of its last region");
    }
  }
  return {};
}

/** Before the memory changes: each ring keeps its position, and is looked for again by map_rings(). */
void BackEnd::unmap_rings() {
  for (BackEndQueue& queue : queues_) {
    if (queue.mapped) queue.base = queue.ring.base();
    queue.mapped = false;
  }
}

void BackEnd::get_config(const ConfigSpace& wanted, Reply& reply) const {
  uint8_t all[kMaxConfigBytes] = {};  // behind the fields that there are: zeroes
  virtio_net_config config = device_config(facts_);
  memcpy(all, &config, sizeof config);
  reply.present = true;
  reply.size = static_cast<uint32_t>(offsetof(ConfigSpace, bytes)) + wanted.size;
  reply.payload.config = {wanted.offset, wanted.size, wanted.flags, {}};
  memcpy(reply.payload.config.bytes, all + wanted.offset, wanted.size);
}

/** Nothing can be written (virtio 1.2, 5.1.4.2). What changes nothing is a migration that restores what is there already. */
Status BackEnd::set_config(const ConfigSpace& wanted) const {
  Reply present;
  get_config(wanted, present);
  if (memcmp(present.payload.config.bytes, wanted.bytes, wanted.size) == 0) return {};
  return failure("USV_MESSAGE", "expected no change of the configuration space, which is read-only, got %u other bytes",
                 wanted.size);
}

/** The MTU of the pod's side: a larger one than the port's would lose frames without a word. */
Status BackEnd::set_mtu(uint64_t mtu) const {
  if (mtu <= facts_.mtu) return {};
  return failure("USV_MESSAGE", "expected an MTU of at most %u, that of the port, got %" PRIu64, facts_.mtu, mtu);
}

/** RESET_DEVICE: as after connecting, but for memory and protocol features, which belong to the connection. */
void BackEnd::reset() {
  Paused paused(listener_);
  for (BackEndQueue& queue : queues_) queue = BackEndQueue();
  features_ = 0;
  device_status_ = 0;
}

Status BackEnd::set_kick(uint64_t word, std::vector<Fd>& fds) {
  if ((word & kVringNoFd) != 0) {
    return failure("USV_MESSAGE", "expected an eventfd with SET_VRING_KICK, got the request to poll without one");
  }
  if (!is_eventfd(fds[0].get())) return not_an_eventfd("SET_VRING_KICK");
  Paused paused(listener_);
  BackEndQueue& queue = queues_[word & kVringIndexMask];
  if (queue.size == 0) return wrong_state("SET_VRING_KICK", "after SET_VRING_NUM");
  queue.kick = std::move(fds[0]);
  queue.started = true;
  return map_rings();
}

Status BackEnd::set_call(uint64_t word, std::vector<Fd>& fds) {
  if ((word & kVringNoFd) == 0 && !is_eventfd(fds[0].get())) return not_an_eventfd("SET_VRING_CALL");
  Paused paused(listener_);
  BackEndQueue& queue = queues_[word & kVringIndexMask];
  queue.call = (word & kVringNoFd) != 0 ? Fd() : std::move(fds[0]);
  return {};
}

/** Keeps where the ring stood, so that GET_VRING_BASE can tell and a later start goes on from there. */
void BackEnd::stop(BackEndQueue& queue) {
  if (queue.mapped) queue.base = queue.ring.base();
  queue.mapped = queue.started = false;
  queue.kick.reset();
}

/** Maps each ring whose size, address and memory are known, in whatever order the messages came. */
Status BackEnd::map_rings() {
  for (BackEndQueue& queue : queues_) {
    if (queue.mapped || !queue.started || !queue.has_address || queue.size == 0 || memory_.count() == 0) continue;
    if (Status status = map_ring(queue); !status.ok()) return status;
  }
  return {};
}

bool BackEnd::valid_size(uint32_t size) const { return packed() ? valid_packed_size(size) : valid_split_size(size); }

Status BackEnd::map_ring(BackEndQueue& queue) {
  if (!valid_size(queue.size)) {
    return failure("USV_MESSAGE", "expected ring %u with a size of its kind, got %u", queue.address.index, queue.size);
  }
  Status status = packed() ? map_packed(queue) : map_split(queue);
  if (status.ok()) queue.mapped = queue.stood = true;
  return status;
}

/** Translates the three areas of a ring; `Ring` says how long and how aligned they are. */
template <class Ring>
Status BackEnd::find_areas(const BackEndQueue& queue, RingAreas& areas) const {
  areas = {memory_.translate_user(queue.address.desc, Ring::desc_bytes(queue.size)),
           memory_.translate_user(queue.address.avail, Ring::avail_bytes(queue.size)),
           memory_.translate_user(queue.address.used, Ring::used_bytes(queue.size))};
  if (areas.desc == nullptr || areas.avail == nullptr || areas.used == nullptr) {
    return failure("USV_REGION",
                   "expected ring %u inside one region of shared memory, got desc 0x%" PRIx64 " avail 0x%" PRIx64
                   " used 0x%" PRIx64,
                   queue.address.index, queue.address.desc, queue.address.avail, queue.address.used);
  }
  // The addresses were aligned in the front-end's space; an offset in its file may still shift them in ours.
  if (reinterpret_cast<uintptr_t>(areas.desc) % Ring::kDescAlign != 0 ||
      reinterpret_cast<uintptr_t>(areas.avail) % Ring::kAvailAlign != 0 ||
      reinterpret_cast<uintptr_t>(areas.used) % Ring::kUsedAlign != 0) {
    return failure("USV_REGION", "expected ring %u aligned to %u, %u and %u bytes once mapped, got less",
                   queue.address.index, unsigned{Ring::kDescAlign}, unsigned{Ring::kAvailAlign},
                   unsigned{Ring::kUsedAlign});
  }
  return {};
}

Status BackEnd::map_split(BackEndQueue& queue) {
  RingAreas areas;
  if (Status status = find_areas<SplitRing>(queue, areas); !status.ok()) return status;
  SplitRing ring{reinterpret_cast<vring_desc*>(areas.desc), reinterpret_cast<vring_avail*>(areas.avail),
                 reinterpret_cast<vring_used*>(areas.used), queue.size};
  // A front-end that goes on with its rings after its back-end died cannot know how far that one came, and says 0. The ring
  // knows: completion is in order, so what is used ends where what is taken begins.
  if (!queue.stood) queue.base = load_once(&ring.used->idx);
  queue.ring.attach(ring, queue.base, features_);
  return {};
}

/** A packed ring does not tell where it stands: a front-end that keeps it over the end of its back-end must reset it. */
Status BackEnd::map_packed(BackEndQueue& queue) {
  RingAreas areas;
  if (Status status = find_areas<PackedRing>(queue, areas); !status.ok()) return status;
  if (packed_base(queue.base).index >= queue.size) {
    return failure("USV_MESSAGE", "expected a base inside ring %u of %u entries, got 0x%x", queue.address.index,
                   queue.size, queue.base);
  }
  PackedRing ring{reinterpret_cast<vring_packed_desc*>(areas.desc),
                  reinterpret_cast<vring_packed_desc_event*>(areas.avail),
                  reinterpret_cast<vring_packed_desc_event*>(areas.used), queue.size};
  queue.ring.attach(ring, queue.base, features_);
  return {};
}

}  // namespace usvhost
