// SPDX-License-Identifier: Apache-2.0
#include "switch/forwarder.h"

#include <algorithm>

#include "switch/claimed_frame.h"
#include "switch/copy.h"
#include "switch/flow_hash.h"
#include "switch/notify.h"
#include "switch/receive_burst.h"
#include "switch/transmit_burst.h"

namespace usvhost {

namespace {

using Header = PlainHeader;

/** What a copy costs beside its bytes, as bytes. */
constexpr uint32_t kCopyBytes = 256;

}  // namespace

Forwarder::Forwarder(PortTable& ports)
    : ports_(ports), groups_(new Group[ports.capacity()]), active_(new uint16_t[ports.capacity()]) {}

void Forwarder::mark_broken(PortRuntime& port, RingError error) {
  RingError none = RingError::kNone;
  port.broken.compare_exchange_strong(none, error, std::memory_order_release, std::memory_order_relaxed);
  found_broken_ = true;
}

uint32_t Forwarder::forward(PortRuntime& source, uint32_t now) {
  // One flooded frame may be copied to hundreds of ports: it has had the turns of as many bursts.
  if (source.owed != 0) [[unlikely]] {
    source.owed -= std::min<uint64_t>(source.owed, kBurstBytes);
    if (source.owed != 0) return 0;
  }
  uint32_t count = 0;
  for (uint16_t tried = 0; tried < source.transmit_count && count == 0; tried++) {
    const QueueRuntime& from = source.transmit[source.next_transmit];
    source.next_transmit = source.next_transmit + 1 < source.transmit_count ? source.next_transmit + 1 : 0;
    count = from.ring->visit([&](auto& queue) { return forward_from(source, from, queue, now); });
  }
  return count;
}

template <class Queue>
uint32_t Forwarder::forward_from(PortRuntime& source, const QueueRuntime& from, Queue& queue, uint32_t now) {
  scratch_.clear();
  offloads_.clear();
  bool claims = source.leaves.any();
  uint32_t count = claims ? fetch_burst<Header>(queue, *source.memory, scratch_, frames_, chains_, offloads_.headers())
                          : fetch_burst<Header>(queue, *source.memory, scratch_, frames_, chains_, IgnoredHeaders{});
  bool call = false;
  if (count != 0) [[likely]] {
    if (from.enabled) [[likely]] {
      count = classify(source, count, now);
      for (uint32_t i = 0; i < active_count_; i++) {
        Group& group = groups_[active_[i]];
        deliver(group);
        group.count = 0;
      }
      active_count_ = 0;
    } else {
      source.counters->add(Counter::tx_drop_disabled, count);
    }
    queue.complete(chains_, count);
    call = queue.call_wanted();
  }
  if (queue.error() != RingError::kNone) [[unlikely]]
    mark_broken(source, queue.error());
  if (call) notify(from.call);
  return count;
}

Forwarder::Group& Forwarder::group_of(PortRuntime& port) {
  Group& group = groups_[port.index];
  if (group.count == 0) {
    group.port = &port;
    active_[active_count_++] = port.index;
  }
  return group;
}

void Forwarder::flood(PortRuntime& source, uint32_t frame) {
  uint32_t receivers = 0;
  for (uint32_t port = 0, end = ports_.end(); port < end; port++) {
    PortRuntime* receiver = port == source.index ? nullptr : ports_.get(port);
    if (receiver == nullptr || receiver->network != source.network) continue;
    group_of(*receiver).add(frame);
    receivers++;
  }
  source.owed += uint64_t{receivers} * (frames_[frame].length + kCopyBytes);
  source.counters->add(receivers == 0 ? Counter::tx_drop_no_receiver : Counter::tx_flooded, 1);
}

/** Whether the frame's own size, or what its header claims, ends it here; then it has been counted. */
bool Forwarder::refuses(PortRuntime& source, uint32_t index) {
  const Frame& frame = frames_[index];
  if (frame.length < kEthernetBytes) {
    source.counters->add(Counter::tx_drop_short, 1);
    return true;
  }
  if (source.leaves.any() && !offloads_.judge(source, frame, index)) return true;
  if (frame.length <= source.max_frame || offloads_.segmented(index)) return false;
  source.counters->add(Counter::tx_drop_oversize, 1);
  return true;
}

/** Reads the addresses, wherever they lie, and keeps what was read. */
void Forwarder::read_addresses(uint32_t index) {
  Frame& frame = frames_[index];
  uint8_t scattered[kEthernetBytes];
  const uint8_t* start = frame.single.data;
  if (offloads_.segmented(index)) {
    start = offloads_.tcp(index).bytes;
  } else if (frame.list != nullptr) {
    gather(scattered, frame.list, 0, kEthernetBytes);
    start = scattered;
  }
  frame.read_ethernet(start);
  if (frame.list != nullptr) frame.own_list();
}

/**
 * Decides where each frame goes; addresses are read once, and never looked at again in the sender's memory. Returns how many frames were
 * looked at: those after a flood that costs a burst are taken again in another one.
 */
uint32_t Forwarder::classify(PortRuntime& source, uint32_t count, uint32_t now) {
  MacTable& macs = source.network->macs;
  MacAddress last_source = kMacMask + 1;
  MacAddress last_destination = kMacMask + 1;
  bool spoofed = false;
  Group* group = nullptr;  // of the last destination, when frames to it go to one port
  const bool claims = source.leaves.any();
  const uint32_t longest = source.max_frame - kEthernetBytes;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    Frame& frame = frames_[i];
    bytes += frame.length;
    if (!claims && frame.list == nullptr && frame.length - kEthernetBytes <= longest) [[likely]] {
      frame.read_ethernet(frame.single.data);
    } else {
      if (refuses(source, i)) continue;
      read_addresses(i);
    }
    MacAddress destination = frame.destination();
    MacAddress origin = frame.origin();
    if (origin != last_source) {
      last_source = origin;
      // A group address is no valid source (IEEE 802.3, 3.2.3): it is forwarded but never learned.
      spoofed = !is_group(origin) && macs.learn(origin, source.index, now) == MacTable::Learned::kSpoofed;
    }
    if (spoofed) [[unlikely]] {
      source.counters->add(Counter::tx_drop_spoofed, 1);
      continue;
    }
    if (destination != last_destination || group == nullptr) {
      last_destination = destination;
      group = find_group(source, destination, i, now);
      if (group == nullptr) {
        if (source.owed > kBurstBytes) [[unlikely]]
          count = i + 1;
        continue;
      }
    }
    group->add(i);
  }
  source.counters->add(Counter::tx_packets, count);
  source.counters->add(Counter::tx_bytes, bytes);
  return count;
}

/** The group of the one port that a frame to `destination` goes to; null when it goes to none or was given to many. */
Forwarder::Group* Forwarder::find_group(PortRuntime& source, MacAddress destination, uint32_t frame, uint32_t now) {
  int port = is_group(destination) ? MacTable::kNoPort : source.network->macs.lookup(destination, now);
  if (port == MacTable::kNoPort) {
    flood(source, frame);
  } else if (port == source.index) {
    source.counters->add(Counter::tx_drop_same_port, 1);
  } else if (PortRuntime* receiver = ports_.get(static_cast<uint32_t>(port));
             receiver != nullptr && receiver->network == source.network) {
    // Asked again: since the look-up the slot may have been given to a port of another network.
    return &group_of(*receiver);
  } else {
    source.counters->add(Counter::tx_drop_down, 1);
  }
  return nullptr;
}

void Forwarder::deliver(const Group& group) {
  PortRuntime& destination = *group.port;
  if (destination.receive_count == 1) [[likely]] {
    deliver_one(destination, destination.receive[0], group.frames, group.count);
  } else if (destination.receive_count == 0) {
    destination.receive_lock.lock();
    destination.counters->add(Counter::rx_drop_disabled, group.count);
    destination.receive_lock.unlock();
  } else {
    steer(destination, group);
  }
}

/** Frames of one flow go to one queue, in their order; which one is nobody's wish but the hash's. */
void Forwarder::steer(PortRuntime& destination, const Group& group) {
  uint8_t frames[kMaxQueuePairs][kBurst];
  uint32_t counts[kMaxQueuePairs] = {};
  for (uint32_t i = 0; i < group.count; i++) {
    const Frame& frame = frames_[group.frames[i]];
    uint8_t start[kFlowBytes];
    uint32_t length = std::min(frame.length, kFlowBytes);
    BufferPiece own[2];
    gather(start, frame.pieces(own), 0, length);
    uint32_t queue = flow_hash(start, length) % destination.receive_count;
    frames[queue][counts[queue]++] = group.frames[i];
  }
  for (uint32_t queue = 0; queue < destination.receive_count; queue++) {
    if (counts[queue] != 0) deliver_one(destination, destination.receive[queue], frames[queue], counts[queue]);
  }
}

void Forwarder::deliver_one(PortRuntime& destination, const QueueRuntime& to, const uint8_t* frames, uint32_t count) {
  destination.receive_lock.lock();
  bool call = to.ring->visit([&](auto& queue) { return deliver_to(destination, queue, frames, count); });
  destination.receive_lock.unlock();
  if (call) notify(to.call);
}

/** Under the destination's lock; returns whether it wants a call. */
template <class Queue>
bool Forwarder::deliver_to(PortRuntime& destination, Queue& queue, const uint8_t* frames, uint32_t count) {
  using Burst = ReceiveBurst<Header, Queue>;
  Burst burst(queue, *destination.memory, scratch_, destination.mergeable);
  burst.reserve(count);
  Delivered delivered;
  if (!offloads_.any_claimed()) delivered.packets = burst.deliver_simple(frames_, frames, count, delivered.bytes);
  for (uint32_t i = delivered.packets; i < count; i++) {
    uint32_t index = frames[i];
    const Frame& frame = frames_[index];
    if (offloads_.claimed(index)) {
      ClaimedFrame<Burst>(burst, frame, offloads_.claim(index), offloads_.tcp(index), delivered)
          .deliver(destination.takes);
    } else {
      delivered.count(burst.deliver(frame), frame.length);
    }
  }
  bool call = false;
  if (burst.any()) {
    burst.complete();
    call = queue.call_wanted();
  }
  CounterBlock& counters = *destination.counters;
  counters.add(Counter::rx_packets, delivered.packets);
  counters.add(Counter::rx_bytes, delivered.bytes);
  if (delivered.small != 0) counters.add(Counter::rx_drop_small_buffer, delivered.small);
  if (delivered.missed != 0) counters.add(Counter::rx_drop_no_buffer, delivered.missed);
  if (delivered.finished != 0) counters.add(Counter::rx_finished, delivered.finished);
  if (delivered.segmented != 0) {
    counters.add(Counter::rx_segmented, delivered.segmented);
    counters.add(Counter::rx_segments, delivered.segments);
  }
  if (queue.error() != RingError::kNone) [[unlikely]]
    mark_broken(destination, queue.error());
  return call;
}

}  // namespace usvhost
