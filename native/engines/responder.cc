// SPDX-License-Identifier: Apache-2.0
#include "engines/responder.h"

namespace usvhost {

uint32_t Responder::poll() {
  Packet packets[kEngineBurst];
  uint32_t count = port_.receive(packets, kEngineBurst);
  for (uint32_t i = 0; i < count; i++) {
    uint8_t* frame = port_.pool().payload(packets[i].buffer);
    // An answer is as long as the question, and fits one buffer.
    if (!packets[i].chained() && answer_in_place(frame, packets[i].length, options_.mac, options_.ip)) {
      DriverCounters::add(answered_, 1);
      port_.transmit_or_drop(&packets[i], 1);
    } else {
      DriverCounters::add(ignored_, 1);
      give_packet(port_.pool(), packets[i]);
    }
  }
  return count;
}

std::vector<Metric> Responder::report() const {
  return {{"answered", static_cast<double>(answered_.load(std::memory_order_relaxed))},
          {"ignored", static_cast<double>(ignored_.load(std::memory_order_relaxed))}};
}

}  // namespace usvhost
