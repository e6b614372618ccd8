// SPDX-License-Identifier: Apache-2.0
// The receive queue of a port with its buffers: posts empty ones, turns used ones into frames. Lengths and numbers of
// buffers are the back-end's words, and checked; a frame that they do not make is dropped with all its buffers, and counted.
#pragma once

#include "base/wire.h"
#include "driver/driver_counters.h"
#include "driver/packet.h"
#include "memory/address.h"
#include "virtio/driver_slot.h"
#include "virtio/guest_word.h"
#include "virtio/uapi.h"

namespace usvhost {

template <class Queue>
class ReceiveSide {
 public:
  ReceiveSide(BufferPool& pool, DriverCounters& counters) : pool_(pool), counters_(counters) {}

  Queue& queue() { return queue_; }

  /** The buffers of a connection that has ended come home. */
  void release() {
    queue_.for_each_outstanding([this](uint32_t buffer) { pool_.give(buffer); });
  }
  /** An empty ring with buffers posted. `mergeable`: VIRTIO_NET_F_MRG_RXBUF is negotiated. */
  void start(bool event_index, bool mergeable) {
    queue_.reset(event_index);
    mergeable_ = mergeable;
    refill();
    queue_.publish();
  }

  /** Up to `max` frames; their buffers belong to the caller. */
  uint32_t take(Packet* out, uint32_t max) {
    uint32_t taken = mergeable_ ? take_merged(out, max < kStage ? max : kStage) : take_single(out, max);
    if (taken != 0) {
      uint64_t bytes = 0;
      for (uint32_t i = 0; i < taken; i++) bytes += out[i].length;
      DriverCounters::add(counters_.rx_packets, taken);
      DriverCounters::add(counters_.rx_bytes, bytes);
    }
    refill();
    return taken;
  }

 private:
  // Receive buffers are posted in batches, so that the avail index moves once for many of them.
  static constexpr uint32_t kRefillBatch = 32;
  static constexpr uint32_t kStage = 64;

  /** A used buffer and how many bytes of it are said to be written. */
  struct Filled {
    uint32_t buffer;
    uint32_t length;
    bool possible() const { return length >= kHeaderBytes && length <= kBufferBytes; }
  };

  void refill() {
    uint32_t buffers[kRefillBatch];
    // What is not posted in a small ring could be what the next frame needs: then nothing would ever be used again.
    uint32_t enough = queue_.ring().size < 2 * kRefillBatch ? 1 : kRefillBatch;
    while (queue_.free_entries() >= enough) {
      uint32_t wanted = queue_.free_entries() < kRefillBatch ? queue_.free_entries() : kRefillBatch;
      uint32_t got = pool_.take(buffers, wanted);
      for (uint32_t i = 0; i < got; i++) {
        queue_.add(guest_address(pool_.header(buffers[i])), kBufferBytes, true, buffers[i]);
      }
      if (got < wanted || got == 0) return;
    }
  }

  bool take_filled(Filled& out) {
    Completion used;
    if (!queue_.take_used(used)) return false;
    out = {used.cookie, used.whole ? kBufferBytes : used.written};
    return true;
  }

  void drop(uint32_t buffer, std::atomic<uint64_t>& counter) {
    DriverCounters::add(counter, 1);
    pool_.give(buffer);
  }

  uint32_t take_single(Packet* out, uint32_t max) {
    uint32_t count = queue_.used_entries();
    if (count > max) count = max;
    uint32_t taken = 0;
    Filled filled;
    for (uint32_t i = 0; i < count && take_filled(filled); i++) {
      if (!filled.possible()) [[unlikely]] {
        drop(filled.buffer, counters_.rx_drop_length);
        continue;
      }
      __builtin_prefetch(pool_.payload(filled.buffer));
      out[taken++] = {filled.buffer, filled.length - kHeaderBytes};
    }
    return taken;
  }

  /** In two stages, so that the lines with num_buffers are on their way when they are looked at. */
  uint32_t take_merged(Packet* out, uint32_t max) {
    Filled staged[kStage];
    uint32_t visible = queue_.used_entries();
    uint32_t count = 0;
    while (count < max && visible != 0 && take_filled(staged[count])) {
      __builtin_prefetch(pool_.header(staged[count].buffer));
      __builtin_prefetch(pool_.payload(staged[count].buffer));
      count++;
      visible--;
    }
    uint32_t at = 0;
    auto next = [&](Filled& filled) {
      if (at < count) {
        filled = staged[at++];
        return true;
      }
      // All buffers of a frame are made used at once (virtio 1.2, 5.1.6.4.1), so waiting for one would be in vain.
      if (visible == 0) return false;
      visible--;
      return take_filled(filled);
    };
    uint32_t taken = 0;
    while (at < count) {
      Filled first = staged[at++];
      if (!first.possible()) [[unlikely]] {
        drop(first.buffer, counters_.rx_drop_length);
        continue;
      }
      uint16_t buffers = load_once(reinterpret_cast<const uint16_t*>(pool_.header(first.buffer) +
                                                                     offsetof(virtio_net_hdr_mrg_rxbuf, num_buffers)));
      if (buffers == 1) [[likely]] {
        out[taken++] = {first.buffer, first.length - kHeaderBytes};
      } else if (merge(first, buffers, next, out[taken])) {
        taken++;
      }
    }
    return taken;
  }

  /** Joins `buffers` used buffers to one frame, or drops all of them that are there. */
  template <class Next>
  bool merge(const Filled& first, uint16_t buffers, Next next, Packet& out) {
    if (buffers == 0) {
      drop(first.buffer, counters_.rx_drop_buffers);
      return false;
    }
    uint32_t length = first.length - kHeaderBytes;
    bool possible = length >= kEthernetBytes;  // whoever forwards a frame looks at its addresses in one place
    pool_.link(first.buffer) = {kNoBuffer, length};
    uint32_t last = first.buffer;
    uint32_t got = 1;
    Filled filled;
    for (; got < buffers && next(filled); got++) {
      pool_.link(last).next = filled.buffer;
      pool_.link(filled.buffer) = {kNoBuffer, filled.length};
      last = filled.buffer;
      possible = possible && filled.length != 0 && filled.length <= kBufferBytes;
      if (possible) length += filled.length;
    }
    bool all = got == buffers && buffers <= kMaxFrameBuffers;
    if (!all || !possible || length > kMaxFrameBytes) {
      pool_.give_chain(first.buffer);
      DriverCounters::add(all ? counters_.rx_drop_length : counters_.rx_drop_buffers, 1);
      return false;
    }
    out = {first.buffer, length, pool_.link(first.buffer).next};
    return true;
  }

  Queue queue_;
  BufferPool& pool_;
  DriverCounters& counters_;
  bool mergeable_ = false;
};

}  // namespace usvhost
