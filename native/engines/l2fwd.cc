// SPDX-License-Identifier: Apache-2.0
#include "engines/l2fwd.h"

#include "engines/frames.h"

namespace usvhost {

uint32_t L2fwd::poll() {
  uint32_t moved = 0;
  for (size_t i = 0; i < ports_.size(); i++) {
    Packet packets[kEngineBurst];
    uint32_t count = ports_[i]->receive(packets, kEngineBurst);
    if (count == 0) continue;
    moved += count;
    for (uint32_t k = 0; k < count; k++) {
      uint8_t* frame = ports_[i]->pool().payload(packets[k].buffer);
      MacAddress destination = options_.swap ? load_mac(frame + 6) : options_.destination_mac;
      MacAddress source = options_.swap ? load_mac(frame) : options_.source_mac;
      store_mac(frame, destination);
      store_mac(frame + 6, source);
    }
    ports_[ports_.size() - 1 - i]->transmit_or_drop(packets, count);
  }
  return moved;
}

}  // namespace usvhost
