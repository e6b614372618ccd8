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

constexpr uint32_t kEthernetHeader = 14;
using Header = PlainHeader;

}  // namespace

Forwarder::Forwarder(PortTable& ports)
    : ports_(ports), groups_(new Group[ports.capacity()]), active_(new uint16_t[ports.capacity()]) {}

void Forwarder::mark_broken(PortRuntime& port, RingError error) {
  RingError none = RingError::kNone;
  port.broken.compare_exchange_strong(none, error, std::memory_order_release, std::memory_order_relaxed);
  found_broken_ = true;
}

uint32_t Forwarder::forward(PortRuntime& source, uint32_t now) {
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
      if (claims) offloads_.judge(source, frames_, count);
      classify(source, count, now);
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

void Forwarder::add_to_group(PortRuntime& port, uint32_t frame) {
  Group& group = groups_[port.index];
  if (group.count == 0) {
    group.port = &port;
    active_[active_count_++] = port.index;
  }
  group.frames[group.count++] = static_cast<uint8_t>(frame);
}

void Forwarder::flood(PortRuntime& source, uint32_t frame) {
  uint32_t receivers = 0;
  for (uint32_t port = 0, end = ports_.end(); port < end; port++) {
    PortRuntime* receiver = port == source.index ? nullptr : ports_.get(port);
    if (receiver == nullptr || receiver->network != source.network) continue;
    add_to_group(*receiver, frame);
    receivers++;
  }
  source.counters->add(receivers == 0 ? Counter::tx_drop_no_receiver : Counter::tx_flooded, 1);
}

/** Decides where each frame goes; addresses are read once, into locals, and never looked at again. */
void Forwarder::classify(PortRuntime& source, uint32_t count, uint32_t now) {
  MacTable& macs = source.network->macs;
  MacAddress last_source = kMacMask + 1;
  MacAddress last_destination = kMacMask + 1;
  bool spoofed = false;
  int port = MacTable::kNoPort;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    const Frame& frame = frames_[i];
    bytes += frame.length;
    if (frame.length < kEthernetHeader || frame.length > source.max_frame) [[unlikely]] {
      if (!offloads_.refused(i) && !offloads_.segmented(i)) {
        source.counters->add(frame.length < kEthernetHeader ? Counter::tx_drop_short : Counter::tx_drop_oversize, 1);
        continue;
      }
    }
    if (offloads_.refused(i)) [[unlikely]]
      continue;
    uint8_t scattered[kEthernetHeader];
    const uint8_t* start = frame.segments->data;
    if (offloads_.segmented(i)) {
      start = offloads_.tcp(i).bytes;
    } else if (frame.segments->length < kEthernetHeader) [[unlikely]] {
      gather(scattered, frame.segments, 0, kEthernetHeader);
      start = scattered;
    }
    MacAddress destination = load_bytes_once(start) & kMacMask;
    MacAddress origin = load_bytes_once(start + 6) & kMacMask;
    if (origin != last_source) {
      last_source = origin;
      // A group address is no valid source (IEEE 802.3, 3.2.3): it is forwarded but never learned.
      spoofed = !is_group(origin) && macs.learn(origin, source.index, now) == MacTable::Learned::kSpoofed;
    }
    if (spoofed) [[unlikely]] {
      source.counters->add(Counter::tx_drop_spoofed, 1);
      continue;
    }
    if (destination != last_destination) {
      last_destination = destination;
      port = is_group(destination) ? MacTable::kNoPort : macs.lookup(destination, now);
    }
    if (port == MacTable::kNoPort) {
      flood(source, i);
    } else if (port == source.index) {
      source.counters->add(Counter::tx_drop_same_port, 1);
    } else if (PortRuntime* receiver = ports_.get(static_cast<uint32_t>(port));
               receiver != nullptr && receiver->network == source.network) {
      // Asked again: since the look-up the slot may have been given to a port of another network.
      add_to_group(*receiver, i);
    } else {
      source.counters->add(Counter::tx_drop_down, 1);
    }
  }
  source.counters->add(Counter::tx_packets, count);
  source.counters->add(Counter::tx_bytes, bytes);
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
    gather(start, frame.segments, 0, length);
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
  for (uint32_t i = 0; i < count; i++) {
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
