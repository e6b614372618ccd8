// SPDX-License-Identifier: Apache-2.0
#include "driver/port_queue.h"

#include <sys/eventfd.h>

namespace usvhost {

namespace {

void kick(const Fd& fd) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(fd.get(), &one, sizeof one);
}

}  // namespace

Status PortQueue::open() {
  for (Fd* fd : {&receive_kick_, &receive_call_, &transmit_kick_, &transmit_call_}) {
    fd->reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!*fd) return system_failure("USV_IO", "eventfd");
  }
  return {};
}

Status PortQueue::serve_by(const PollThread& thread) {
  thread_ = &thread;
  return thread.watch(receive_call_.get());
}

FrontEndQueue PortQueue::receive_queue() {
  return pair_.visit(
      [&](auto& pair) { return FrontEndQueue{pair.receive.queue().ring(), receive_kick_.get(), receive_call_.get()}; });
}

FrontEndQueue PortQueue::transmit_queue() {
  return pair_.visit([&](auto& pair) {
    return FrontEndQueue{pair.transmit.queue().ring(), transmit_kick_.get(), transmit_call_.get()};
  });
}

void PortQueue::tell(Link link) {
  link_.store(link, std::memory_order_release);
  if (thread_ != nullptr) thread_->wake();
}

void PortQueue::begin_reset(const Agreement& agreement) {
  agreement_ = agreement;
  tell(Link::kResetting);
}

bool PortQueue::serve_control() {
  if (!reset_wanted()) [[likely]]
    return false;
  served_ = agreement_;
  pair_.reset(served_);
  broken_.store(false, std::memory_order_relaxed);
  link_.store(Link::kReady, std::memory_order_release);
  link_.notify_all();
  return true;
}

uint32_t PortQueue::receive(Packet* out, uint32_t max) {
  if (!receives()) return 0;
  return pair_.visit([&](auto& pair) {
    uint32_t taken = pair.receive.take(out, max);
    auto& queue = pair.receive.queue();
    note_broken(queue.broken());
    if (queue.publish() && queue.kick_wanted()) kick(receive_kick_);
    return taken;
  });
}

void PortQueue::reclaim() {
  pair_.visit([&](auto& pair) {
    pair.transmit.reclaim();
    note_broken(pair.transmit.queue().broken());
  });
}

uint32_t PortQueue::transmit(const Packet* packets, uint32_t count) {
  if (!up()) return 0;
  return pair_.visit([&](auto& pair) {
    uint32_t taken = pair.transmit.put(packets, count);
    auto& queue = pair.transmit.queue();
    note_broken(queue.broken());
    if (queue.publish() && queue.kick_wanted()) kick(transmit_kick_);
    return taken;
  });
}

uint32_t PortQueue::transmit_room() {
  if (!up()) return UINT32_MAX;
  reclaim();
  return pair_.visit([](auto& pair) {
    auto& queue = pair.transmit.queue();
    return queue.broken() ? UINT32_MAX : uint32_t{queue.free_entries()};
  });
}

void PortQueue::transmit_or_drop(const Packet* packets, uint32_t count) {
  uint32_t sent = transmit(packets, count);
  if (sent == count) [[likely]]
    return;
  DriverCounters::add(up() ? counters_.tx_drop_full : counters_.tx_drop_down, count - sent);
  for (uint32_t i = sent; i < count; i++) give_packet(pool_, packets[i]);
}

void PortQueue::arm() {
  pair_.visit([](auto& pair) { pair.receive.queue().want_calls(); });
  // Fence [C2]: our wish for calls before the look at used entries in pending(); pairs with the device's [C1].
  full_fence();
}

bool PortQueue::pending() {
  return receives() && pair_.visit([](auto& pair) { return pair.receive.queue().used_entries() != 0; });
}

void PortQueue::disarm() {
  pair_.visit([](auto& pair) { pair.receive.queue().refuse_calls(); });
}

}  // namespace usvhost
