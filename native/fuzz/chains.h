// SPDX-License-Identifier: Apache-2.0
// Bytes become the rings of two pods: descriptors, tables, availability and frames. The forwarder then moves what it can.
// Buffers lie in a mapping that ends where the region ends, so that one byte too far is seen. A target gives the kind of ring.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdlib>
#include <memory>

#include "fuzz/input.h"
#include "memory/fault_guard.h"
#include "switch/forwarder.h"

namespace usvhost::fuzz {

constexpr uint16_t kSize = 16;
constexpr uint64_t kMemory = 4 * 4096;
constexpr uint64_t kBuffers = 2 * 4096;  // behind the rings
constexpr uint64_t kAddress = 0x100000;

inline void expect(bool condition) {
  if (!condition) abort();
}

/** Most of what a driver could write into a descriptor, mostly inside the memory and in the right direction. */
inline vring_desc make_descriptor(Input& input, bool writable) {
  vring_desc descriptor{};
  uint8_t shape = input.byte();
  descriptor.addr = kAddress + kBuffers + input.number<uint16_t>() % (kMemory - kBuffers);
  descriptor.len = input.number<uint16_t>() % 2048;
  if ((shape & 0x10) != 0) descriptor.addr = kAddress + kMemory - descriptor.len;  // ends with the region
  if ((shape & 0x20) != 0) descriptor.len += 1;
  if ((shape & 0xc0) == 0xc0) input.bytes(reinterpret_cast<uint8_t*>(&descriptor), sizeof descriptor);
  descriptor.flags = static_cast<uint16_t>((shape & 0xc) == 0xc ? shape & 7 : (shape & 1) | (writable ? 2 : 0));
  if ((shape & 0xc) == 8) {
    descriptor.flags = VRING_DESC_F_INDIRECT;
    descriptor.len = 16 * (shape % 4 + 1u);
  }
  descriptor.next = static_cast<uint16_t>(input.byte() % (kSize + 1));
  return descriptor;
}

/**
 * A pod with two rings of a kind. `Ring` has reset(memory, start), attach(queue, start, features), describe(slot, descriptor),
 * offer(input), jump(input), and check(queue, moved), which looks at what was given back.
 */
template <class Ring>
struct Pod {
  Pod(PortTable& table, uint16_t index) {
    file.reset(memfd_create("fuzz", MFD_CLOEXEC));
    expect(ftruncate(file.get(), kMemory) == 0);
    RegionClaim claim{kAddress, kMemory, kAddress, 0};
    Fd files[1];
    files[0].reset(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    expect(memory.map({&claim, 1}, files).ok());
    base = memory.translate(kAddress, kMemory);
    runtime.index = index;
    runtime.max_frame = 1518;
    runtime.memory = &memory;
    runtime.transmit[0] = {&queues[0], -1, true};
    runtime.receive[0] = {&queues[1], -1, true};
    runtime.transmit_count = runtime.receive_count = 1;
    runtime.counters = &counters;
    table.publish(index, &runtime);
  }

  /** Starts with empty rings at `start`, zero buffers and no error. */
  void reset(uint16_t start, uint8_t wanted) {
    uint64_t features = 0;
    if ((wanted & 1) != 0) features |= feature_bit(VIRTIO_RING_F_INDIRECT_DESC);
    if ((wanted & 2) != 0) features |= feature_bit(VIRTIO_RING_F_EVENT_IDX);
    runtime.mergeable = (wanted & 4) != 0;
    memset(base, 0, kMemory);
    for (int i = 0; i < 2; i++) {
      rings[i].reset(base + i * 1024, start);
      rings[i].attach(queues[i], start, features);
    }
    runtime.broken.store(RingError::kNone);
    counters = {};
  }
  uint64_t sum(bool tx, bool drops) const {
    uint64_t sum = 0;
    for (const CounterName& entry : kCounterNames) {
      bool is_drop = strstr(entry.name, "drop") != nullptr;
      if ((strncmp(entry.name, "tx", 2) == 0) == tx && is_drop == drops && strstr(entry.name, "bytes") == nullptr) {
        sum += counters.get(entry.counter);
      }
    }
    return sum;
  }

  Fd file;
  RegionTable memory;
  uint8_t* base = nullptr;
  Ring rings[2];
  DeviceQueue queues[2];
  CounterBlock counters{};
  PortRuntime runtime;
};

template <class Ring>
struct Bench {
  Bench() : table(2), first(table, 0), second(table, 1) { table.set_end(2); }

  void run(Input input) {
    network = std::make_unique<Network>(64, 300, 2);
    Forwarder forwarder(table);
    Pod<Ring>* pods[] = {&first, &second};
    auto start = input.number<uint16_t>();
    for (Pod<Ring>* pod : pods) {
      pod->reset(start, input.byte());
      pod->runtime.network = network.get();
    }
    uint64_t taken = 0;
    for (int step = 0; step < 400 && !input.empty(); step++) {
      uint8_t what = input.byte();
      Pod<Ring>& pod = *pods[what & 1];
      int which = what >> 1 & 1;
      switch (what >> 2 & 7) {
        case 0:
        case 1: {
          uint8_t slot = input.byte() % kSize;
          pod.rings[which].describe(slot, make_descriptor(input, which == 1));
          break;
        }
        case 2:
        case 3: pod.rings[which].offer(input); break;
        case 4: input.bytes(pod.base + kBuffers + input.number<uint16_t>() % (kMemory - kBuffers - 32), 32); break;
        case 5: pod.rings[which].jump(input); break;
        case 6: {
          // An entry of a table, which lies wherever a descriptor of the ring says.
          vring_desc entry = make_descriptor(input, which == 1);
          Ring::write_entry(pod.base + kBuffers + input.number<uint16_t>() % (kMemory - kBuffers - 16), entry);
          break;
        }
        default:
          if (pod.runtime.broken.load() != RingError::kNone) break;
          uint32_t moved = forwarder.forward(pod.runtime, 1);
          taken += moved;
          expect(moved <= kBurst);
          if (moved != 0) pod.rings[0].check(pod.queues[0]);
      }
    }
    // Every frame that was taken is counted once as sent, and dropped or flooded at most once per receiver.
    expect(first.counters.get(Counter::tx_packets) + second.counters.get(Counter::tx_packets) == taken);
    uint64_t received = first.sum(false, false) + second.sum(false, false);
    uint64_t dropped =
        first.sum(true, true) + second.sum(true, true) + first.sum(false, true) + second.sum(false, true);
    expect(received + dropped == taken);  // two ports: a flood has exactly one receiver
  }

  PortTable table;
  std::unique_ptr<Network> network;
  Pod<Ring> first, second;
};

template <class Ring>
int run_chains(const uint8_t* data, size_t size) {
  if (!FaultGuard::install().ok()) abort();
  static Bench<Ring> bench;
  bench.run(Input(data, size));
  return 0;
}

}  // namespace usvhost::fuzz
