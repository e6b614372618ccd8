// SPDX-License-Identifier: Apache-2.0
#include "driver/virtio_port.h"

#include <sys/eventfd.h>

#include "virtio/net_header.h"

namespace usvhost {

namespace {

// Receive buffers are posted in batches, so that the avail index moves once for many of them.
constexpr uint32_t kRefillBatch = 32;

void kick(const Fd& fd) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(fd.get(), &one, sizeof one);
}

/** A frame that was received carries the device's header; what we send has none of its flags (no offload is negotiated). */
void clear_header(uint8_t* header) {
  uint64_t first;
  uint32_t rest;
  memcpy(&first, header, sizeof first);
  memcpy(&rest, header + sizeof first, sizeof rest);
  // Most headers are zero already: not writing keeps their line clean.
  if ((first | rest) != 0) memset(header, 0, kNetHeaderBytes);
}

}  // namespace

VirtioPort::VirtioPort(VirtioPortOptions options, BufferPool& pool, uint8_t* rings)
    : options_(std::move(options)), pool_(pool) {
  receive_.attach(rings, options_.queue_size);
  transmit_.attach(rings + SplitDriverQueue::bytes(options_.queue_size), options_.queue_size);
}

Status VirtioPort::open() {
  for (Fd* fd : {&receive_kick_, &receive_call_, &transmit_kick_, &transmit_call_}) {
    fd->reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!*fd) return system_failure("USV_IO", "eventfd");
  }
  return {};
}

FrontEndQueue VirtioPort::front_end_queue(uint16_t index) const {
  return index == kReceiveQueue ? FrontEndQueue{receive_.ring(), receive_kick_.get(), receive_call_.get()}
                                : FrontEndQueue{transmit_.ring(), transmit_kick_.get(), transmit_call_.get()};
}

void VirtioPort::reset_rings(const PollThread& thread) {
  link_.store(Link::kResetting, std::memory_order_release);
  thread.wake();
  link_.wait(Link::kResetting, std::memory_order_acquire);
}

void VirtioPort::set_up(const PollThread& thread) {
  link_.store(Link::kUp, std::memory_order_release);
  thread.wake();
}

void VirtioPort::serve_control() {
  if (!reset_wanted()) [[likely]]
    return;
  reset();
  link_.store(Link::kReady, std::memory_order_release);
  link_.notify_all();
}

/** A dead back-end's buffers come home; what it had not sent on is lost and counted. */
void VirtioPort::reset() {
  // What it had completed before it died was sent on, although nobody has looked since.
  reclaim();
  uint64_t lost = 0;
  receive_.for_each_outstanding([this](uint32_t buffer) { pool_.give(buffer); });
  transmit_.for_each_outstanding([&](uint32_t buffer) {
    pool_.give(buffer);
    lost++;
  });
  DriverCounters::add(counters_.tx_lost, lost);
  receive_.reset();
  transmit_.reset();
  broken_.store(false, std::memory_order_relaxed);
  refill();
  receive_.publish();
}

void VirtioPort::refill() {
  uint32_t buffers[kRefillBatch];
  while (receive_.free_entries() >= kRefillBatch || receive_.free_entries() == receive_.ring().size) {
    uint32_t wanted = receive_.free_entries() < kRefillBatch ? receive_.free_entries() : kRefillBatch;
    uint32_t got = pool_.take(buffers, wanted);
    for (uint32_t i = 0; i < got; i++) {
      receive_.add(guest_address(pool_.header(buffers[i])), kHeaderBytes + kPayloadCapacity, true, buffers[i]);
    }
    if (got < wanted || got == 0) return;
  }
}

uint32_t VirtioPort::receive(Packet* out, uint32_t max) {
  if (!up()) return 0;
  uint32_t count = receive_.used_entries();
  if (count > max) count = max;
  uint32_t taken = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t buffer, written;
    if (!receive_.take_used(buffer, written)) break;
    if (written < kHeaderBytes || written > kHeaderBytes + kPayloadCapacity) [[unlikely]] {
      DriverCounters::add(counters_.rx_drop_length, 1);
      pool_.give(buffer);
      continue;
    }
    __builtin_prefetch(pool_.payload(buffer));
    out[taken++] = {buffer, written - kHeaderBytes};
    bytes += written - kHeaderBytes;
  }
  if (receive_.broken()) [[unlikely]]
    broken_.store(true, std::memory_order_relaxed);
  if (count != 0) {
    DriverCounters::add(counters_.rx_packets, taken);
    DriverCounters::add(counters_.rx_bytes, bytes);
  }
  refill();
  if (receive_.publish() && receive_.kick_wanted()) kick(receive_kick_);
  return taken;
}

void VirtioPort::reclaim() {
  for (uint32_t count = transmit_.used_entries(); count != 0; count--) {
    uint32_t buffer, written;
    if (!transmit_.take_used(buffer, written)) break;
    pool_.give(buffer);
  }
  if (transmit_.broken()) [[unlikely]]
    broken_.store(true, std::memory_order_relaxed);
}

uint32_t VirtioPort::transmit(const Packet* packets, uint32_t count) {
  if (!up()) return 0;
  reclaim();
  uint32_t room = transmit_.broken() ? 0 : transmit_.free_entries();
  if (count > room) count = room;
  if (count == 0) return 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t* header = pool_.header(packets[i].buffer);
    clear_header(header);
    transmit_.add(guest_address(header), kHeaderBytes + packets[i].length, false, packets[i].buffer);
    bytes += packets[i].length;
  }
  DriverCounters::add(counters_.tx_packets, count);
  DriverCounters::add(counters_.tx_bytes, bytes);
  if (transmit_.publish() && transmit_.kick_wanted()) kick(transmit_kick_);
  return count;
}

uint32_t VirtioPort::transmit_room() {
  if (!up() || transmit_.broken()) return UINT32_MAX;
  reclaim();
  return transmit_.broken() ? UINT32_MAX : transmit_.free_entries();
}

void VirtioPort::transmit_or_drop(const Packet* packets, uint32_t count) {
  uint32_t sent = transmit(packets, count);
  if (sent == count) [[likely]]
    return;
  DriverCounters::add(up() ? counters_.tx_drop_full : counters_.tx_drop_down, count - sent);
  for (uint32_t i = sent; i < count; i++) pool_.give(packets[i].buffer);
}

void VirtioPort::arm() {
  receive_.want_calls();
  // Fence [C2]: our wish for calls before the look at used->idx in pending(); pairs with the device's [C1].
  full_fence();
}

bool VirtioPort::pending() { return up() && receive_.used_entries() != 0; }

void VirtioPort::disarm() { receive_.refuse_calls(); }

}  // namespace usvhost
