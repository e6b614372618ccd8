// SPDX-License-Identifier: Apache-2.0
// What data threads are told of a connection: which of its queues run, and in which memory.
#pragma once

#include "offload/abilities.h"
#include "switch/port_table.h"
#include "vhost_user/back_end.h"

namespace usvhost {

/** Fills `runtime` from the state of its connection. The port is not published meanwhile. */
inline void describe_queues(BackEnd& session, PortRuntime& runtime) {
  runtime.memory = &session.memory();
  runtime.mergeable = (session.features() & feature_bit(VIRTIO_NET_F_MRG_RXBUF)) != 0;
  runtime.leaves = sender_offloads(session.features());
  runtime.takes = receiver_offloads(session.features());
  runtime.transmit_count = runtime.receive_count = runtime.next_transmit = 0;
  for (uint16_t pair = 0; pair < kMaxQueuePairs; pair++) {
    BackEndQueue& transmit = session.queue(static_cast<uint16_t>(2 * pair + kTransmitQueue));
    BackEndQueue& receive = session.queue(static_cast<uint16_t>(2 * pair + kReceiveQueue));
    if (transmit.active()) {
      runtime.transmit[runtime.transmit_count++] = {&transmit.ring, transmit.call.get(), transmit.enabled};
    }
    if (receive.active() && receive.enabled) {
      runtime.receive[runtime.receive_count++] = {&receive.ring, receive.call.get(), true};
    }
  }
}

}  // namespace usvhost
