// SPDX-License-Identifier: Apache-2.0
// A forwarder with a few pods around it and no threads: each pass is called by the test, each ring is written by hand.
#pragma once

#include <sys/eventfd.h>

#include <algorithm>

#include "memory/buffer_pool.h"
#include "switch/forwarder.h"
#include "test/guest_memory.h"
#include "test/raw_ring.h"
#include "test/support.h"

namespace usvhost::test {

/** One pod: rings of 64 entries, 64 buffers of 4 KiB for each direction. */
class Pod {
 public:
  static constexpr uint16_t kSize = 64;
  static constexpr size_t kBuffer = 4096;

  Pod(PortTable& table, Network& network, uint16_t index, uint32_t mtu = 1500) : memory((8 + 2 * kSize) * kBuffer) {
    transmit.attach(memory.at(0), kSize);
    receive.attach(memory.at(4 * kBuffer), kSize);
    negotiate(0);
    call.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    runtime.index = index;
    runtime.network = &network;
    runtime.max_frame = mtu + 18;
    runtime.memory = &memory.table();
    runtime.transmit[0] = {&transmit_queue, -1, true};
    runtime.receive[0] = {&receive_queue, call.get(), true};
    runtime.transmit_count = runtime.receive_count = 1;
    runtime.counters = &counters;
    table.set_end(std::max<uint32_t>(table.end(), index + 1u));
    table.publish(index, &runtime);
  }

  /** Empty rings of what has been negotiated, as the switch would begin with them. */
  void negotiate(uint64_t features) {
    transmit_queue.attach(memory.translated(transmit.ring()), 0, features);
    receive_queue.attach(memory.translated(receive.ring()), 0, features);
    runtime.mergeable = (features & feature_bit(VIRTIO_NET_F_MRG_RXBUF)) != 0;
    runtime.leaves = sender_offloads(features);
    runtime.takes = receiver_offloads(features);
  }

  uint8_t* transmit_buffer(uint16_t i) const { return memory.at((8 + i % kSize) * kBuffer); }
  uint8_t* receive_buffer(uint16_t i) const { return memory.at((8 + kSize + i % kSize) * kBuffer); }
  uint64_t transmit_address(uint16_t i) const { return guest_address(transmit_buffer(i)); }

  /** Posts `count` receive buffers of one descriptor and `bytes` each, cleared to 0xee. */
  void post(uint16_t count, uint32_t bytes = 2048) {
    for (uint16_t k = 0; k < count; k++, posted_++) {
      uint16_t slot = posted_ % kSize;
      memset(receive_buffer(slot), 0xee, kBuffer);
      receive.describe(slot, guest_address(receive_buffer(slot)), bytes, VRING_DESC_F_WRITE);
      receive.offer(slot);
    }
  }
  /** Posts one receive buffer that is cut into `pieces`, from descriptor 0 on. */
  void post_chain(const std::vector<uint32_t>& pieces) {
    memset(receive_buffer(0), 0xee, kBuffer);
    chain(receive, receive_buffer(0), pieces, VRING_DESC_F_WRITE);
    receive.offer(0);
  }
  /** Sends one frame whose header and bytes are cut into `pieces`, from descriptor 0 on. */
  void send_chain(const std::vector<uint8_t>& frame, const std::vector<uint32_t>& pieces) {
    memset(transmit_buffer(0), 0xcc, kHeaderBytes);
    std::copy(frame.begin(), frame.end(), transmit_buffer(0) + kHeaderBytes);
    chain(transmit, transmit_buffer(0), pieces, 0);
    transmit.offer(0);
  }
  /** Sends one frame in one descriptor. */
  void send(const std::vector<uint8_t>& frame) {
    auto slot = static_cast<uint16_t>(sent_++ % kSize);
    memset(transmit_buffer(slot), 0xcc, kHeaderBytes);
    std::copy(frame.begin(), frame.end(), transmit_buffer(slot) + kHeaderBytes);
    transmit.describe(slot, transmit_address(slot), static_cast<uint32_t>(kHeaderBytes + frame.size()));
    transmit.offer(slot);
  }
  uint64_t count(Counter which) const { return counters.get(which); }
  uint64_t drops() const {
    uint64_t sum = 0;
    for (const CounterName& entry : kCounterNames) {
      if (std::string(entry.name).find("drop") != std::string::npos) sum += counters.get(entry.counter);
    }
    return sum;
  }

  GuestMemory memory;
  RawRing transmit, receive;
  DeviceQueue transmit_queue, receive_queue;
  CounterBlock counters{};
  Fd call;
  PortRuntime runtime;

 private:
  static void chain(RawRing& ring, const uint8_t* base, const std::vector<uint32_t>& pieces, uint16_t flags) {
    uint64_t at = guest_address(base);
    for (uint16_t i = 0; i < pieces.size(); i++) {
      bool last = i + 1u == pieces.size();
      auto all = static_cast<uint16_t>(flags | (last ? 0 : VRING_DESC_F_NEXT));
      ring.describe(i, at, pieces[i], all, static_cast<uint16_t>(i + 1));
      at += pieces[i];
    }
  }
  uint16_t posted_ = 0;
  uint16_t sent_ = 0;
};

/** Three pods of one network on one forwarder; pod n has index n and, if it wants, the address mac(n + 1). */
struct PodBench {
  PodBench()
      : table(8),
        network(256, 300, 8),
        forwarder(table),
        pods{{table, network, 0}, {table, network, 1}, {table, network, 2}} {}
  uint32_t forward(uint16_t from) { return forwarder.forward(pods[from].runtime, 1); }

  PortTable table;
  Network network;
  MacTable& macs = network.macs;
  Forwarder forwarder;
  Pod pods[3];
};

inline std::vector<uint8_t> frame(MacAddress to, MacAddress from, size_t length = 60) {
  std::vector<uint8_t> bytes(length);
  for (size_t i = 0; i < length; i++) bytes[i] = static_cast<uint8_t>(i * 13 + 5);
  if (length > 0) memcpy(bytes.data(), &to, std::min<size_t>(6, length));
  if (length > 6) memcpy(bytes.data() + 6, &from, std::min<size_t>(6, length - 6));
  return bytes;
}

inline const std::vector<uint8_t> kPlainHeader = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};

/** The receive buffer holds the header, exactly this frame, and nothing was written behind it. */
inline void delivered(const Pod& pod, uint16_t slot, const std::vector<uint8_t>& expected) {
  const uint8_t* bytes = pod.receive_buffer(slot);
  CHECK(std::equal(kPlainHeader.begin(), kPlainHeader.end(), bytes));
  CHECK(std::equal(expected.begin(), expected.end(), bytes + kHeaderBytes));
  CHECK(bytes[kHeaderBytes + expected.size()] == 0xee);
}

}  // namespace usvhost::test
