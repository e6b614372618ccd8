// SPDX-License-Identifier: Apache-2.0
// The transmit queue of a port with the frames in it. A buffer is the device's from transmit() until reclaim(); which
// buffers belong to a frame is known by private links, never by what stands in shared memory.
#pragma once

#include "driver/driver_counters.h"
#include "driver/packet.h"
#include "memory/address.h"
#include "virtio/driver_slot.h"
#include "virtio/uapi.h"

namespace usvhost {

template <class Queue>
class TransmitSide {
 public:
  TransmitSide(BufferPool& pool, DriverCounters& counters) : pool_(pool), counters_(counters) {}

  Queue& queue() { return queue_; }

  struct Mode {
    bool event_index = false;
    bool indirect = false;          // VIRTIO_F_INDIRECT_DESC: a frame of many buffers takes one entry of the ring
    bool keeps_headers = false;     // an offload is negotiated: whoever sends has written a header before each frame
    uint32_t longest = UINT32_MAX;  // bytes of a frame that the device is not to cut into segments
  };

  /** The buffers of a connection that has ended come home; what the back-end had not sent on is lost and counted. */
  void release() {
    // What it had completed before it died was sent on, although nobody has looked since.
    reclaim();
    uint64_t lost = 0;
    queue_.for_each_outstanding([&](uint32_t cookie) {
      give(cookie);
      lost++;
    });
    DriverCounters::add(counters_.tx_lost, lost);
  }
  /** An empty ring. */
  void start(Mode mode) {
    queue_.reset(mode.event_index);
    mode_ = mode;
  }

  void reclaim() {
    Completion used;
    for (uint32_t count = queue_.used_entries(); count != 0 && queue_.take_used(used); count--) give(used.cookie);
  }

  /** Queues frames in order; returns how many were taken. The buffers of the others remain the caller's. */
  uint32_t put(const Packet* packets, uint32_t count) {
    reclaim();
    if (queue_.broken()) return 0;
    uint32_t taken = 0;
    uint64_t bytes = 0;
    uint64_t sent = 0;
    for (; taken < count; taken++) {
      const Packet& packet = packets[taken];
      if (queue_.free_entries() == 0) break;
      if (packet.length > mode_.longest && !segmented(packet)) [[unlikely]] {
        give_packet(pool_, packet);
        DriverCounters::add(counters_.tx_drop_mtu, 1);
        continue;
      }
      uint8_t* header = pool_.header(packet.buffer);
      if (!mode_.keeps_headers) clear_header(header);
      if (!packet.chained()) [[likely]] {
        queue_.add(guest_address(header), kHeaderBytes + packet.length, false, packet.buffer);
      } else {
        Fit fit = put_chain(packet);
        if (fit == Fit::kLater) break;
        if (fit == Fit::kNever) continue;
      }
      bytes += packet.length;
      sent++;
    }
    DriverCounters::add(counters_.tx_packets, sent);
    DriverCounters::add(counters_.tx_bytes, bytes);
    return taken;
  }

 private:
  // In a cookie beside a buffer's number: links join further buffers to it.
  static constexpr uint32_t kChained = 1u << 31;
  enum class Fit : uint8_t { kDone, kLater, kNever };

  void give(uint32_t cookie) {
    if ((cookie & kChained) != 0) [[unlikely]] {
      pool_.give_chain(cookie & ~kChained);
    } else {
      pool_.give(cookie);
    }
  }

  /** Whether the device cuts the frame, so that its length is no matter of the MTU (virtio 1.2, 5.1.4.2). */
  bool segmented(const Packet& packet) const {
    return mode_.keeps_headers &&
           pool_.header(packet.buffer)[offsetof(virtio_net_hdr, gso_type)] != VIRTIO_NET_HDR_GSO_NONE;
  }

  /** A frame that was received carries the device's header; without an offload what we send has none of its flags. */
  static void clear_header(uint8_t* header) {
    uint64_t first;
    uint32_t rest;
    std::memcpy(&first, header, sizeof first);
    std::memcpy(&rest, header + sizeof first, sizeof rest);
    // Most headers are zero already: not writing keeps their line clean.
    if ((first | rest) != 0) std::memset(header, 0, kHeaderBytes);
  }

  Fit put_chain(const Packet& packet) {
    Piece pieces[kMaxFrameBuffers];
    uint16_t count = 0;
    pieces[count++] = {guest_address(pool_.header(packet.buffer)), kHeaderBytes + pool_.link(packet.buffer).length};
    pool_.link(packet.buffer).next = packet.rest;
    for (uint32_t buffer = packet.rest; buffer != kNoBuffer; buffer = pool_.link(buffer).next) {
      pieces[count++] = {guest_address(pool_.header(buffer)), pool_.link(buffer).length};
    }
    uint32_t table;
    if (mode_.indirect && pool_.take(&table, 1) == 1) {
      // The table lies in a buffer of its own, which comes home with the frame's.
      static_assert(kMaxFrameBuffers * sizeof(vring_desc) <= kPayloadCapacity);
      pool_.link(table).next = packet.buffer;
      Queue::write_table(pool_.payload(table), pieces, count);
      queue_.add_table(guest_address(pool_.payload(table)), count, table | kChained);
      return Fit::kDone;
    }
    if (count > queue_.ring().size) {
      give_packet(pool_, packet);
      DriverCounters::add(counters_.tx_drop_long, 1);
      return Fit::kNever;
    }
    if (count > queue_.free_entries()) return Fit::kLater;
    queue_.add_chain(pieces, count, packet.buffer | kChained);
    return Fit::kDone;
  }

  Queue queue_;
  BufferPool& pool_;
  DriverCounters& counters_;
  Mode mode_;
};

}  // namespace usvhost
