// SPDX-License-Identifier: Apache-2.0
#include "switch/poll_lists.h"

#include <algorithm>
#include <utility>

namespace usvhost {

PollLists::PollLists(const PortTable& ports, uint32_t number, uint32_t threads)
    : ports_(ports), number_(number), threads_(threads) {
  size_t most = (ports.capacity() + threads - 1) / threads;
  busy_.reserve(most);
  quiet_.reserve(most * kMaxQueuePairs);
}

/** After the table has changed. Ports that were quiet stay so: one that comes and goes must not make the others' passes longer. */
void PollLists::rebuild(uint64_t generation) {
  // The number was loaded before the slots: what changes meanwhile is seen in the next pass.
  generation_ = generation;
  busy_.clear();
  quiet_.clear();
  for (uint32_t index = number_, end = ports_.end(); index < end; index += threads_) {
    PortRuntime* port = ports_.get(index);
    if (port == nullptr || port->transmit_count == 0) continue;
    if (port->quiet) {
      watch(*port);
    } else {
      busy_.push_back({port, 0});
    }
  }
}

void PollLists::watch(PortRuntime& port) {
  port.quiet = true;
  for (uint16_t i = 0; i < port.transmit_count; i++) quiet_.push_back({port.transmit[i].ring->avail_word(), &port});
}

/** Makes quiet ports that have something busy; whether there was one. */
bool PollLists::look() {
  bool found = false;
  for (const Quiet& each : quiet_) {
    if (!each.avail.pending()) [[likely]]
      continue;
    found = true;
    if (std::exchange(each.port->quiet, false)) busy_.push_back({each.port, 0});
  }
  if (found)
    quiet_.erase(std::remove_if(quiet_.begin(), quiet_.end(), [](const Quiet& each) { return !each.port->quiet; }),
                 quiet_.end());
  return found;
}

}  // namespace usvhost
