// SPDX-License-Identifier: Apache-2.0
#include "engines/traffic.h"

#include <algorithm>

#include "engines/frames.h"

namespace usvhost {

Status Traffic::open() {
  if (options_.size < 60 || options_.size > kMaxFrameBytes) {
    return failure("USV_CONFIG", "expected a frame size from 60 to %u bytes, got %u", kMaxFrameBytes, options_.size);
  }
  // A frame of several buffers is made, and looked at, in one piece.
  scratch_.resize(kMaxFrameBytes);
  store_mac(template_, options_.destination_mac);
  store_mac(template_ + 6, options_.source_mac);
  store_be16(template_ + 12, kTestEtherType);
  return {};
}

void Traffic::connected() {
  if (port_.mac() != 0) store_mac(template_ + 6, port_.mac());
}

bool Traffic::wants_to_send() const {
  return options_.transmit && running_.load(std::memory_order_relaxed) && port_.up() &&
         (!options_.budget || options_.budget->left());
}

uint32_t Traffic::poll() {
  uint32_t moved = receive();
  return moved + (wants_to_send() ? send() : 0);
}

/** Where all bytes of a received frame follow each other. */
const uint8_t* Traffic::whole(const Packet& packet) {
  if (!packet.chained()) [[likely]]
    return port_.pool().payload(packet.buffer);
  copy_out(port_.pool(), packet, scratch_.data());
  return scratch_.data();
}

uint32_t Traffic::receive() {
  Packet packets[kEngineBurst];
  uint32_t count = port_.receive(packets, kEngineBurst);
  if (count == 0) return 0;
  uint64_t corrupted = 0;
  uint64_t foreign = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* frame = whole(packets[i]);
    if (packets[i].length < kEthernetBytes || load_be16(frame + 12) != kTestEtherType) {
      foreign++;
    } else if (options_.verify) {
      uint64_t sequence;
      bool intact = packets[i].length == options_.size && check_test_payload(frame, packets[i].length, sequence);
      if (!intact) corrupted++;
    }
    give_packet(port_.pool(), packets[i]);
  }
  DriverCounters::add(received_, count - foreign);
  if (corrupted != 0) DriverCounters::add(corrupted_, corrupted);
  if (foreign != 0) DriverCounters::add(foreign_, foreign);
  return count;
}

/** Each frame is written anew from its first line on, as an application would. */
void Traffic::write_frame(uint8_t* frame, uint64_t sequence) {
  memcpy(frame, template_, std::min<uint32_t>(sizeof template_, options_.size));
  if (options_.verify) {
    fill_test_payload(frame, options_.size, sequence);
  } else {
    memcpy(frame + kEthernetBytes, &sequence, sizeof sequence);
  }
}

/** A frame with this number in `buffers`, of which buffers_of(size) are taken. */
Packet Traffic::make(const uint32_t* buffers, uint64_t sequence) {
  BufferPool& pool = port_.pool();
  Packet packet = join_buffers(pool, buffers, options_.size);
  if (!packet.chained()) [[likely]] {
    write_frame(pool.payload(packet.buffer), sequence);
    return packet;
  }
  write_frame(scratch_.data(), sequence);
  const uint8_t* from = scratch_.data();
  for_each_stretch(pool, packet, [&from](uint8_t* to, uint32_t length) {
    memcpy(to, from, length);
    from += length;
  });
  return packet;
}

uint32_t Traffic::send() {
  port_.reclaim();
  uint32_t wanted = kEngineBurst;
  if (options_.budget) wanted = options_.budget->take(wanted);
  uint32_t granted = wanted;
  BufferPool& pool = port_.pool();
  uint32_t each = buffers_of(options_.size);
  uint32_t buffers[kEngineBurst * kFewestBuffersOfLargest];
  Packet packets[kEngineBurst];
  wanted *= each;
  // Frames of many buffers could take all there are, and leave the other direction none.
  if (each != 1) wanted = std::min(wanted, pool.available() - std::min(pool.available(), port_.receive_shortage()));
  uint32_t got = pool.take(buffers, wanted);
  // What is too few for one more frame goes back.
  for (; got % each != 0; got--) pool.give(buffers[got - 1]);
  got /= each;
  for (uint32_t i = 0; i < got; i++) packets[i] = make(buffers + i * each, sequence_ + i);
  uint32_t sent = port_.transmit(packets, got);
  for (uint32_t i = got; i > sent; i--) give_packet(pool, packets[i - 1]);
  if (options_.budget) options_.budget->give(granted - sent);
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
