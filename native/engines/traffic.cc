// SPDX-License-Identifier: Apache-2.0
#include "engines/traffic.h"

#include <algorithm>

#include "engines/frames.h"

namespace usvhost {

Status Traffic::open() {
  if (options_.size < 60 || options_.size > kPayloadCapacity) {
    return failure("USV_CONFIG", "expected a frame size from 60 to %u bytes, got %u", kPayloadCapacity, options_.size);
  }
  store_mac(template_, options_.destination_mac);
  store_mac(template_ + 6, options_.source_mac);
  store_be16(template_ + 12, kTestEtherType);
  return {};
}

bool Traffic::wants_to_send() const {
  return options_.transmit && running_.load(std::memory_order_relaxed) && port_.up() &&
         (options_.limit == 0 || sequence_ < options_.limit);
}

uint32_t Traffic::poll() {
  uint32_t moved = receive();
  return moved + (wants_to_send() ? send() : 0);
}

uint32_t Traffic::receive() {
  Packet packets[kEngineBurst];
  uint32_t count = port_.receive(packets, kEngineBurst);
  if (count == 0) return 0;
  uint64_t corrupted = 0;
  uint64_t foreign = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* frame = port_.pool().payload(packets[i].buffer);
    if (packets[i].length < kEthernetBytes || load_be16(frame + 12) != kTestEtherType) {
      foreign++;
    } else if (options_.verify) {
      uint64_t sequence;
      bool whole = packets[i].length == options_.size && check_test_payload(frame, packets[i].length, sequence);
      if (!whole) corrupted++;
    }
    port_.pool().give(packets[i].buffer);
  }
  DriverCounters::add(received_, count - foreign);
  if (corrupted != 0) DriverCounters::add(corrupted_, corrupted);
  if (foreign != 0) DriverCounters::add(foreign_, foreign);
  return count;
}

uint32_t Traffic::send() {
  port_.reclaim();
  uint32_t wanted = kEngineBurst;
  if (options_.limit != 0) wanted = static_cast<uint32_t>(std::min<uint64_t>(wanted, options_.limit - sequence_));
  uint32_t buffers[kEngineBurst];
  Packet packets[kEngineBurst];
  uint32_t got = port_.pool().take(buffers, wanted);
  for (uint32_t i = 0; i < got; i++) {
    uint8_t* frame = port_.pool().payload(buffers[i]);
    // Each frame is written anew from its first line on, as an application would.
    memcpy(frame, template_, std::min<uint32_t>(sizeof template_, options_.size));
    uint64_t sequence = sequence_ + i;
    if (options_.verify) {
      fill_test_payload(frame, options_.size, sequence);
    } else {
      memcpy(frame + kEthernetBytes, &sequence, sizeof sequence);
    }
    packets[i] = {buffers[i], options_.size};
  }
  uint32_t sent = port_.transmit(packets, got);
  for (uint32_t i = got; i > sent; i--) port_.pool().give(buffers[i - 1]);
  sequence_ += sent;
  DriverCounters::add(sent_, sent);
  return sent;
}

std::vector<Metric> Traffic::report() const {
  return {{"sent", static_cast<double>(sent_.load(std::memory_order_relaxed))},
          {"received", static_cast<double>(received_.load(std::memory_order_relaxed))},
          {"corrupted", static_cast<double>(corrupted_.load(std::memory_order_relaxed))},
          {"foreign", static_cast<double>(foreign_.load(std::memory_order_relaxed))}};
}

}  // namespace usvhost
