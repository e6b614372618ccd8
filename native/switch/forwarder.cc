// SPDX-License-Identifier: Apache-2.0
#include "switch/forwarder.h"

#include <unistd.h>

#include <algorithm>

#include "base/cpu.h"
#include "switch/copy.h"
#include "switch/notify.h"

namespace usvhost {

namespace {

constexpr uint32_t kEthernetHeader = 14;
constexpr uint32_t kScratchSegments = 2 * kMaxQueueSize;
using Header = PlainHeader;

typedef uint64_t UnalignedWord __attribute__((aligned(1), may_alias));

/** Loads eight bytes exactly once, whatever the compiler would prefer. */
uint64_t load_bytes_once(const uint8_t* bytes) { return *reinterpret_cast<const volatile UnalignedWord*>(bytes); }

}  // namespace

Forwarder::Forwarder(PortTable& ports)
    : ports_(ports),
      groups_(new Group[ports.capacity()]),
      active_(new uint16_t[ports.capacity()]),
      scratch_(new BufferPiece[kScratchSegments]) {}

void Forwarder::mark_broken(PortRuntime& port, RingError error) {
  RingError none = RingError::kNone;
  port.broken.compare_exchange_strong(none, error, std::memory_order_release, std::memory_order_relaxed);
  found_broken_ = true;
}

uint32_t Forwarder::forward(PortRuntime& source, uint32_t now) {
  uint32_t count = std::min<uint32_t>(source.transmit->available(), kBurst);
  if (count != 0) [[likely]] {
    scratch_used_ = 0;
    count = fetch(source, count);
    if (source.transmit_enabled) [[likely]] {
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
    complete(source, count);
  }
  if (source.transmit->error() != RingError::kNone) [[unlikely]]
    mark_broken(source, source.transmit->error());
  return count;
}

/** Translates up to `count` chains into frames_; stops early at a broken one. */
uint32_t Forwarder::fetch(PortRuntime& source, uint32_t count) {
  SplitDeviceQueue<>& queue = *source.transmit;
  for (uint32_t i = 0; i < count; i++) {
    if (!queue.head(static_cast<uint16_t>(i), heads_[i])) {
      count = i;
      break;
    }
    prefetch_read(queue.descriptor(heads_[i]));
  }
  const RegionTable& memory = *source.memory;
  for (uint32_t i = 0; i < count; i++) {
    vring_desc descriptor = load_descriptor(queue.descriptor(heads_[i]));
    Frame& frame = frames_[i];
    if (descriptor.flags == 0 && descriptor.len >= Header::kBytes) [[likely]] {
      uint8_t* data = memory.translate(descriptor.addr, descriptor.len);
      if (data != nullptr) [[likely]] {
        // No offload is negotiated, so the header says nothing and is not even read.
        frame.single = {data + Header::kBytes, descriptor.len - Header::kBytes};
        frame.segments = &frame.single;
        frame.segment_count = 1;
        frame.length = frame.single.length;
        prefetch_read(frame.single.data);
        continue;
      }
    }
    if (scratch_used_ + kMaxQueueSize > kScratchSegments) return i;
    if (!fetch_chain(source, descriptor, frame)) return i;
  }
  return count;
}

/** The general case: any number of pieces, the header anywhere across them. */
bool Forwarder::fetch_chain(PortRuntime& source, const vring_desc& first, Frame& frame) {
  BufferPiece* segments = &scratch_[scratch_used_];
  uint32_t pieces;
  uint64_t total;
  if (!source.transmit->walk<Direction::kReadable>(first, *source.memory, segments, pieces, total)) return false;
  scratch_used_ += pieces;
  frame = {segments, pieces, 0, {}};
  if (total < Header::kBytes) return true;  // length 0: classify() drops and counts it
  uint32_t skip = Header::kBytes;
  while (skip != 0) {
    uint32_t cut = std::min(skip, frame.segments->length);
    auto* piece = const_cast<BufferPiece*>(frame.segments);
    piece->data += cut;
    piece->length -= cut;
    skip -= cut;
    if (piece->length == 0 && frame.segment_count > 1) {
      frame.segments++;
      frame.segment_count--;
    }
  }
  frame.length = static_cast<uint32_t>(std::min<uint64_t>(total - Header::kBytes, UINT32_MAX));
  return true;
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
      source.counters->add(frame.length < kEthernetHeader ? Counter::tx_drop_short : Counter::tx_drop_oversize, 1);
      continue;
    }
    uint8_t scattered[kEthernetHeader];
    const uint8_t* start = frame.segments->data;
    if (frame.segments->length < kEthernetHeader) [[unlikely]] {
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

/** First pass over a destination: finds a buffer for each frame and prefetches it, so that the copies do not wait. */
uint32_t Forwarder::reserve(PortRuntime& destination, const Group& group, uint32_t available, Target* targets) {
  SplitDeviceQueue<>& queue = *destination.receive;
  uint32_t wanted = std::min<uint32_t>(group.count, available);
  for (uint32_t i = 0; i < wanted; i++) {
    if (!queue.head(static_cast<uint16_t>(i), targets[i].head)) {
      wanted = i;  // the buffers before it are good, and still to be looked at
      break;
    }
    prefetch_read(queue.descriptor(targets[i].head));
  }
  for (uint32_t i = 0; i < wanted; i++) {
    vring_desc descriptor = load_descriptor(queue.descriptor(targets[i].head));
    Target& target = targets[i];
    if (descriptor.flags == VRING_DESC_F_WRITE && descriptor.len != 0) [[likely]] {
      uint8_t* data = destination.memory->translate(descriptor.addr, descriptor.len);
      if (data != nullptr) [[likely]] {
        target = {data, descriptor.len, 0, 0, target.head};
        // The header is rarely changed, the frame always.
        prefetch_read(data);
        prefetch_write(data + Header::kBytes);
        continue;
      }
    }
    if (scratch_used_ + kMaxQueueSize > kScratchSegments) return i;
    uint32_t pieces;
    uint64_t total;
    BufferPiece* segments = &scratch_[scratch_used_];
    if (!queue.walk<Direction::kWritable>(descriptor, *destination.memory, segments, pieces, total)) return i;
    target = {nullptr, static_cast<uint32_t>(std::min<uint64_t>(total, UINT32_MAX)), pieces, scratch_used_,
              target.head};
    scratch_used_ += pieces;
  }
  return wanted;
}

void Forwarder::deliver(const Group& group) {
  PortRuntime& destination = *group.port;
  CounterBlock& counters = *destination.counters;
  uint64_t bytes = 0;
  bool call = false;
  destination.receive_lock.lock();
  SplitDeviceQueue<>* queue = destination.receive;
  if (queue == nullptr || !destination.receive_enabled) {
    counters.add(Counter::rx_drop_disabled, group.count);
    destination.receive_lock.unlock();
    return;
  }
  uint32_t scratch_before = scratch_used_;
  Target targets[kBurst];
  uint32_t written[kBurst];
  uint32_t reserved = reserve(destination, group, queue->available(), targets);
  uint32_t taken = 0;
  uint32_t small = 0;
  uint32_t next = 0;
  for (; next < group.count && taken < reserved; next++) {
    const Frame& frame = frames_[group.frames[next]];
    const Target& target = targets[taken];
    if (target.capacity < Header::kBytes + frame.length) [[unlikely]] {
      small++;  // the buffer stays for the next frame
      continue;
    }
    if (target.segment_count == 0 && frame.segment_count == 1) [[likely]] {
      Header::write(target.buffer);
      copy_bytes(target.buffer + Header::kBytes, frame.segments->data, frame.length);
    } else {
      BufferPiece whole{target.buffer, target.capacity};
      const BufferPiece* into = target.segment_count == 0 ? &whole : &scratch_[target.scratch];
      uint8_t header[Header::kBytes] = {};
      Header::write(header);
      scatter(into, 0, header, Header::kBytes);
      uint64_t at = Header::kBytes;
      uint32_t left = frame.length;
      for (uint32_t i = 0; i < frame.segment_count && left != 0; i++) {
        uint32_t piece = std::min(frame.segments[i].length, left);
        scatter(into, at, frame.segments[i].data, piece);
        at += piece;
        left -= piece;
      }
    }
    written[taken++] = Header::kBytes + frame.length;
    bytes += frame.length;
  }
  scratch_used_ = scratch_before;
  if (taken != 0) {
    // All at once: the driver may be reading elements of the same cache lines.
    for (uint32_t i = 0; i < taken; i++) queue->push_used(targets[i].head, written[i]);
    queue->advance(static_cast<uint16_t>(taken));
    queue->publish();
    call = queue->call_wanted();
  }
  counters.add(Counter::rx_packets, taken);
  counters.add(Counter::rx_bytes, bytes);
  if (small != 0) counters.add(Counter::rx_drop_small_buffer, small);
  if (next != group.count) counters.add(Counter::rx_drop_no_buffer, group.count - next);
  if (queue->error() != RingError::kNone) [[unlikely]]
    mark_broken(destination, queue->error());
  destination.receive_lock.unlock();
  if (call) notify(destination.receive_call);
}

void Forwarder::complete(PortRuntime& source, uint32_t count) {
  if (count == 0) return;
  SplitDeviceQueue<>& queue = *source.transmit;
  for (uint32_t i = 0; i < count; i++) queue.push_used(heads_[i], 0);
  queue.advance(static_cast<uint16_t>(count));
  queue.publish();
  if (queue.call_wanted()) notify(source.transmit_call);
}

}  // namespace usvhost
