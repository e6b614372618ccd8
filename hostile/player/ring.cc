// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "fail.h"

namespace hostile {

void signal(const File& event) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(event.fd(), &one, sizeof one);
}

bool Ring::wait(uint16_t most, const Peer& peer) const {
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMillis);
  for (uint32_t looks = 0; outstanding() > most; looks++) {
    // Memory has no event. To sleep is to come back at once when there is a CPU; to yield is to wait for everybody.
    if (looks >= 64) std::this_thread::sleep_for(std::chrono::microseconds(20));
    if (looks % 64 != 63) continue;
    if (peer.hung_up()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

bool Ring::traffic(uint32_t count, uint16_t heads, const File& kick, const Peer& peer) {
  for (uint32_t i = 0; i < count; i++) {
    if (!wait(static_cast<uint16_t>(heads - 1), peer)) return false;
    if (i % 64 == 63 && peer.hung_up()) return true;
    offer(static_cast<uint16_t>(i % heads));
    signal(kick);
  }
  return wait(0, peer);
}

}  // namespace hostile
