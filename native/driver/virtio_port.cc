// SPDX-License-Identifier: Apache-2.0
#include "driver/virtio_port.h"

#include <algorithm>

namespace usvhost {

VirtioPort::VirtioPort(VirtioPortOptions options, std::span<const std::unique_ptr<BufferPool>> pools, uint8_t* rings)
    : options_(std::move(options)), wanted_active_(options_.queue_pairs) {
  for (const auto& pool : pools) {
    queues_.push_back(std::make_unique<PortQueue>(options_.queue_size, *pool, rings));
    rings += PortQueue::ring_bytes(options_.queue_size);
  }
}

Status VirtioPort::open() {
  for (auto& queue : queues_) {
    if (Status status = queue->open(); !status.ok()) return status;
  }
  return {};
}

void VirtioPort::reset_rings(const Agreement& agreement) {
  for (auto& queue : queues_) queue->begin_reset(agreement);
  for (auto& queue : queues_) queue->await_reset();
}

void VirtioPort::set_up(uint16_t pairs) {
  for (size_t pair = 0; pair < queues_.size(); pair++) {
    pair < pairs ? queues_[pair]->set_up() : queues_[pair]->set_idle();
  }
}

void VirtioPort::set_down() {
  for (auto& queue : queues_) queue->set_down();
}

FrontEndQueue VirtioPort::front_end_queue(uint16_t index) {
  PortQueue& queue = *queues_[index / 2];
  return index % 2 == kReceiveQueue ? queue.receive_queue() : queue.transmit_queue();
}

uint16_t VirtioPort::active() const {
  auto up = std::count_if(queues_.begin(), queues_.end(), [](const auto& queue) { return queue->up(); });
  return static_cast<uint16_t>(up);
}

bool VirtioPort::broken() const {
  return std::any_of(queues_.begin(), queues_.end(), [](const auto& queue) { return queue->broken(); });
}

}  // namespace usvhost
