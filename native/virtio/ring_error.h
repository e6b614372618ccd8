// SPDX-License-Identifier: Apache-2.0
// What a driver can write into a ring that no driver may write, whichever kind of ring it is. The first such value ends the port.
#pragma once

#include <cstdint>

namespace usvhost {

/** Why a queue is broken; describe() gives the words. */
enum class RingError : uint8_t { kNone, kAvailIndex, kHead, kNext, kLoop, kDirection, kAddress, kIndirect, kTable };

inline const char* describe(RingError error) {
  switch (error) {
    case RingError::kNone: return "no error";
    case RingError::kAvailIndex: return "expected at most queue size new avail entries, got more";
    case RingError::kHead: return "expected an avail entry below the queue size, got one beyond";
    case RingError::kNext: return "expected the next descriptor of a chain inside its table and available, got another";
    case RingError::kLoop: return "expected a descriptor chain no longer than the queue, got a longer one (a loop)";
    case RingError::kDirection:
      return "expected descriptors of one direction (device-readable on transmit, writable on receive)";
    case RingError::kAddress: return "expected a descriptor inside the shared memory, got one outside";
    case RingError::kIndirect:
      return "expected an indirect descriptor only where it is negotiated, at the end of a chain and never in a table";
    case RingError::kTable:
      return "expected an indirect table of 1 to queue size whole descriptors inside the shared memory, got another";
  }
  return "unknown";
}

}  // namespace usvhost
