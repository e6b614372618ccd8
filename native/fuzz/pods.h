// SPDX-License-Identifier: Apache-2.0
// Two pods whose rings a fuzzer writes, and the forwarder between them. What is made once for all runs is what costs more than a
// run does: memory, tables, the forwarder. reset() empties everything that a run could leave behind.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "fuzz/input.h"
#include "memory/fault_guard.h"
#include "switch/forwarder.h"

namespace usvhost::fuzz {

constexpr uint16_t kSize = 16;
constexpr uint64_t kMemory = 4 * 4096;
constexpr uint64_t kBuffers = 2 * 4096;  // behind the rings
constexpr uint64_t kAddress = 0x100000;

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

/** A place of `room` bytes in a pod's buffers. */
inline uint64_t make_place(Input& input, uint64_t room) {
  return kBuffers + input.number<uint16_t>() % (kMemory - kBuffers - room);
}

/**
 * A pod with two rings of a kind. `Ring` has the ring itself as `ring`, reset(memory, start), attach(queue, start, features),
 * describe(slot, descriptor), offer(input), jump(input), slot(n) and places(n) for who writes meanwhile, write_entry(to, entry),
 * and check(queue), which looks at what was given back. Beside its memory there is none: a byte too far ends the process.
 */
template <class Ring>
struct Pod {
  Pod(PortTable& table, uint16_t index) {
    file.reset(memfd_create("fuzz", MFD_CLOEXEC));
    expect(ftruncate(file.get(), kMemory) == 0);
    map();
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
    features = 0;
    if ((wanted & 1) != 0) features |= feature_bit(VIRTIO_RING_F_INDIRECT_DESC);
    if ((wanted & 2) != 0) features |= feature_bit(VIRTIO_RING_F_EVENT_IDX);
    runtime.mergeable = (wanted & 4) != 0;
    runtime.leaves = sender_offloads((wanted & 8) != 0 ? UINT64_MAX : 0);
    runtime.takes = receiver_offloads((wanted & 16) != 0 ? UINT64_MAX : 0);
    memset(base, 0, kMemory);
    for (int i = 0; i < 2; i++) {
      rings[i].reset(base + i * 1024, start);
      rings[i].attach(queues[i], start, features);
    }
    runtime.broken.store(RingError::kNone);
    runtime.owed = 0;
    counters = {};
  }
  uint64_t get(Counter counter) const { return counters.get(counter); }
  /** Frames from this pod that were dropped before a receiver was found, and frames to it that were dropped. */
  uint64_t dropped() const {
    return get(Counter::tx_drop_short) + get(Counter::tx_drop_oversize) + get(Counter::tx_drop_spoofed) +
           get(Counter::tx_drop_same_port) + get(Counter::tx_drop_no_receiver) + get(Counter::tx_drop_down) +
           get(Counter::tx_drop_disabled) + get(Counter::tx_drop_bad_header) + get(Counter::tx_drop_gso) +
           get(Counter::rx_drop_no_buffer) + get(Counter::rx_drop_small_buffer) + get(Counter::rx_drop_disabled);
  }
  /** Frames to this pod, before they were cut. */
  uint64_t received() const {
    return get(Counter::rx_packets) + get(Counter::rx_segmented) - get(Counter::rx_segments);
  }

  Fd file;
  RegionTable memory;
  uint8_t* base = nullptr;
  uint64_t features = 0;
  Ring rings[2];
  DeviceQueue queues[2];
  CounterBlock counters{};
  PortRuntime runtime;

 private:
  static constexpr size_t kGuard = 4096;
  /** Maps the memory until there is nothing readable on either side of it. */
  void map() {
    RegionClaim claim{kAddress, kMemory, kAddress, 0};
    for (int tries = 0; tries < 64; tries++) {
      Fd files[1];
      files[0].reset(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
      expect(memory.map({&claim, 1}, files).ok());
      base = memory.translate(kAddress, kMemory);
      if (guard(base - kGuard) && guard(base + kMemory)) return;
      elsewhere.push_back(std::move(memory));  // it keeps the place, so that the next one gets another
    }
    abort();
  }
  /** Whether nobody can touch the page at `at`, from now on. */
  static bool guard(uint8_t* at) {
    void* page = mmap(at, kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == at) return true;
    expect(page == MAP_FAILED && errno == EEXIST);
    Fd file(memfd_create("guard", MFD_CLOEXEC));
    // The bare system call, of which the sanitizer does not think that it reads.
    return syscall(SYS_write, file.get(), at, 1) == -1 && errno == EFAULT;
  }
  std::vector<RegionTable> elsewhere;
};

template <class Ring>
struct TwoPods {
  TwoPods() : table(2), network(64, 300, 2), forwarder(table), first(table, 0), second(table, 1) {
    table.set_end(2);
    for (Pod<Ring>* pod : pods) pod->runtime.network = &network;
  }

  void reset(Input& input) {
    auto start = input.number<uint16_t>();
    for (uint16_t port = 0; port < 2; port++) {
      network.macs.remove_port(port);
      pods[port]->reset(start, input.byte());
    }
    taken = 0;
  }

  /** One thing that a driver does; `what` says which, in bits 2 to 4, and to which ring of which pod. 7 is no such thing. */
  void write(uint8_t what, Input& input) {
    Pod<Ring>& pod = *pods[what & 1];
    const int which = what >> 1 & 1;
    Ring& ring = pod.rings[which];
    switch (what >> 2 & 7) {
      case 0:
      case 1: {
        uint8_t slot = input.byte() % kSize;
        ring.describe(slot, make_descriptor(input, which == 1));
        break;
      }
      case 2:
      case 3: ring.offer(input); break;
      case 4: input.bytes(pod.base + make_place(input, 32), 32); break;
      case 5: ring.jump(input); break;
      case 6: {
        // An entry of a table, which lies wherever a descriptor of the ring says.
        vring_desc entry = make_descriptor(input, which == 1);
        Ring::write_entry(pod.base + make_place(input, 16), entry);
        break;
      }
      default:;
    }
  }
  uint32_t forward(Pod<Ring>& pod) {
    uint32_t moved = forwarder.forward(pod.runtime, 1);
    expect(moved <= kBurst);
    taken += moved;
    return moved;
  }
  /** Every frame that was taken is counted once as sent, and received or dropped once: there is one receiver. Whoever writes. */
  void check_counters() const {
    expect(first.get(Counter::tx_packets) + second.get(Counter::tx_packets) == taken);
    expect(first.received() + second.received() + first.dropped() + second.dropped() == taken);
  }

  PortTable table;
  Network network;
  Forwarder forwarder;
  Pod<Ring> first, second;
  Pod<Ring>* pods[2] = {&first, &second};
  uint64_t taken = 0;
};

}  // namespace usvhost::fuzz
