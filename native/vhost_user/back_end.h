// SPDX-License-Identifier: Apache-2.0
// The back-end's half of the vhost-user protocol as a state machine without I/O: a validated message goes in, a reply
// and a changed state come out. It owns the memory table, the rings' descriptors and the private ring indices of one connection.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "memory/region_table.h"
#include "vhost_user/device_config.h"
#include "vhost_user/messages.h"
#include "virtio/device_queue.h"
#include "virtio/features.h"

namespace usvhost {

/** Whoever runs the data path. Between pause() and resume() nothing may touch the session's memory and rings. */
class BackEndListener {
 public:
  virtual ~BackEndListener() = default;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

struct BackEndQueue {
  DeviceQueue ring;
  VringAddress address{};
  uint16_t size = 0;
  uint32_t base = 0;  // as in GET_VRING_BASE
  bool has_address = false;
  bool started = false;  // vhost-user, "Ring states": from SET_VRING_KICK to GET_VRING_BASE
  bool enabled = false;
  bool mapped = false;  // `ring` points into the current memory table
  bool stood = false;   // `base` is where our ring stood, no longer what the front-end said
  Fd kick;
  Fd call;

  bool active() const { return started && mapped; }
};

struct Reply {
  bool present = false;
  uint32_t size = 0;
  Payload payload{};
};

class BackEnd {
 public:
  explicit BackEnd(BackEndListener& listener, const DeviceFacts& facts = {}) : listener_(listener), facts_(facts) {}

  /**
   * Acts on one message that passed check_request(). Takes the descriptors it keeps out of `fds`; the caller closes the rest.
   * A failure (USV_MESSAGE, USV_REGION) ends the connection after the reply, if any, has been sent.
   */
  Status handle(const Message& message, std::vector<Fd>& fds, Reply& reply);

  BackEndQueue& queue(uint16_t index) { return queues_[index]; }
  const RegionTable& memory() const { return memory_; }
  /** All that GET_FEATURES tells. */
  uint64_t offered() const { return kBackEndFeatures | config_features(facts_); }
  uint64_t features() const { return features_; }
  uint64_t protocol_features() const { return protocol_features_; }

 private:
  /** The three addresses of SET_VRING_ADDR; of a packed ring avail is the driver's event structure and used the device's. */
  struct RingAreas {
    uint8_t* desc;
    uint8_t* avail;
    uint8_t* used;
  };

  Status apply(const Message& message, std::vector<Fd>& fds, Reply& reply);
  Status set_features(uint64_t features);
  Status set_protocol_features(uint64_t features);
  Status set_memory(const MemoryTable& table, std::vector<Fd>& fds);
  Status add_region(const MemorySlot& slot, std::vector<Fd>& fds);
  Status remove_region(const MemorySlot& slot);
  void unmap_rings();
  void get_config(const ConfigSpace& wanted, Reply& reply) const;
  Status set_config(const ConfigSpace& wanted) const;
  Status set_mtu(uint64_t mtu) const;
  void reset();
  Status set_kick(uint64_t word, std::vector<Fd>& fds);
  Status set_call(uint64_t word, std::vector<Fd>& fds);
  void stop(BackEndQueue& queue);
  Status map_rings();
  Status map_ring(BackEndQueue& queue);
  Status map_split(BackEndQueue& queue);
  Status map_packed(BackEndQueue& queue);
  template <class Ring>
  Status find_areas(const BackEndQueue& queue, RingAreas& areas) const;
  bool packed() const { return (features_ & feature_bit(VIRTIO_F_RING_PACKED)) != 0; }
  bool valid_size(uint32_t size) const;

  BackEndListener& listener_;
  DeviceFacts facts_;
  RegionTable memory_;
  BackEndQueue queues_[kMaxQueues];
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
  uint8_t device_status_ = 0;
};

}  // namespace usvhost
