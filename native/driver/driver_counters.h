// SPDX-License-Identifier: Apache-2.0
// Counters of a driver port; the data thread writes, anybody reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace usvhost {

struct DriverCounters {
  std::atomic<uint64_t> rx_packets{0};
  std::atomic<uint64_t> rx_bytes{0};
  std::atomic<uint64_t> tx_packets{0};
  std::atomic<uint64_t> tx_bytes{0};
  std::atomic<uint64_t> rx_drop_length{0};   // the back-end wrote an impossible length
  std::atomic<uint64_t> rx_drop_buffers{0};  // it wrote a number of buffers that it has not used, or too many
  std::atomic<uint64_t> tx_drop_full{0};     // the transmit ring had no room
  std::atomic<uint64_t> tx_drop_down{0};     // no back-end was connected
  std::atomic<uint64_t> tx_drop_long{0};     // more buffers than the transmit ring has entries
  std::atomic<uint64_t> tx_drop_mtu{0};      // longer than the back-end's MTU allows
  std::atomic<uint64_t> tx_lost{0};          // in the ring, not completed, when the connection ended

  static void add(std::atomic<uint64_t>& counter, uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
};

}  // namespace usvhost
