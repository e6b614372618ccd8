// SPDX-License-Identifier: Apache-2.0
#include "engines/lane.h"

#include <algorithm>

namespace usvhost {

Status Lane::serve_by(const PollThread& thread) {
  for (PortQueue* queue : queues_) {
    if (Status status = queue->serve_by(thread); !status.ok()) return status;
  }
  return engine_->watch(thread);
}

uint32_t Lane::poll() {
  for (PortQueue* queue : queues_) {
    if (queue->serve_control()) [[unlikely]]
      engine_->connected();
  }
  return engine_->poll();
}

void Lane::arm() {
  engine_->arm();
  for (PortQueue* queue : queues_) queue->arm();
}

bool Lane::pending() {
  bool receptive = engine_->receptive();
  for (PortQueue* queue : queues_) {
    if (queue->reset_wanted() || (receptive && queue->pending())) return true;
  }
  return engine_->pending();
}

void Lane::disarm() {
  engine_->disarm();
  for (PortQueue* queue : queues_) queue->disarm();
}

Status LaneThread::start() {
  if (Status status = thread_.start(*this); !status.ok()) return status;
  for (Lane* lane : lanes_) {
    if (Status status = lane->serve_by(thread_); !status.ok()) return status;
  }
  return {};
}

uint32_t LaneThread::poll() {
  uint32_t moved = 0;
  for (Lane* lane : lanes_) moved += lane->poll();
  return moved;
}

void LaneThread::arm() {
  for (Lane* lane : lanes_) lane->arm();
}

bool LaneThread::pending() {
  return std::any_of(lanes_.begin(), lanes_.end(), [](Lane* lane) { return lane->pending(); });
}

void LaneThread::disarm() {
  for (Lane* lane : lanes_) lane->disarm();
}

int LaneThread::max_sleep_millis() {
  int shortest = -1;
  for (Lane* lane : lanes_) {
    int millis = lane->engine().max_sleep_millis();
    if (millis >= 0 && (shortest < 0 || millis < shortest)) shortest = millis;
  }
  return shortest;
}

}  // namespace usvhost
