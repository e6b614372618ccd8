// SPDX-License-Identifier: Apache-2.0
// The counters of a port, named from the pod's point of view: tx is what the pod sent. Every frame that was
// taken from a pod is either delivered or under exactly one name with `drop` in it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "virtio/guest_word.h"

namespace usvhost {

/** Written by the data thread that owns the port. */
#define USVHOST_TX_COUNTERS(X)                                            \
  X(tx_packets, "frames taken from the pod, dropped ones included")       \
  X(tx_bytes, "bytes of these frames, without virtio header")             \
  X(tx_flooded, "frames sent to all ports: group or unknown destination") \
  X(tx_drop_short, "shorter than an Ethernet header")                     \
  X(tx_drop_oversize, "longer than the port's MTU allows")                \
  X(tx_drop_spoofed, "source address belongs to another port")            \
  X(tx_drop_same_port, "destination lives on the sender's own port")      \
  X(tx_drop_no_receiver, "flooded while no other port was up")            \
  X(tx_drop_down, "destination port known but not up")                    \
  X(tx_drop_disabled, "the pod had disabled its transmit queue")          \
  X(tx_drop_bad_header, "the virtio header claims what cannot be")        \
  X(tx_drop_gso, "to be segmented, but not TCP as we know it")

/** Written under the port's receive lock. */
#define USVHOST_RX_COUNTERS(X)                                                    \
  X(rx_packets, "frames delivered to the pod")                                    \
  X(rx_bytes, "bytes of these frames, without virtio header")                     \
  X(rx_drop_no_buffer, "the pod had posted no receive buffer")                    \
  X(rx_drop_small_buffer, "the pod's receive buffer was too small for the frame") \
  X(rx_drop_disabled, "the pod had disabled its receive queue")                   \
  X(rx_finished, "frames whose checksum the switch finished for the pod")         \
  X(rx_segmented, "frames that the switch cut for the pod")                       \
  X(rx_segments, "what they became: each is in rx_packets or in a drop")

enum class Counter : uint8_t {
#define USVHOST_ENUM(name, text) name,
  USVHOST_TX_COUNTERS(USVHOST_ENUM)
#undef USVHOST_ENUM
      tx_end,
  rx_begin = 16,  // on a cache line of its own: transmit and receive may be counted by different threads
  rx_align = rx_begin - 1,
#define USVHOST_ENUM(name, text) name,
  USVHOST_RX_COUNTERS(USVHOST_ENUM)
#undef USVHOST_ENUM
};
static_assert(static_cast<int>(Counter::tx_end) <= static_cast<int>(Counter::rx_begin));

inline constexpr size_t kCounterSlots = 24;

struct CounterName {
  const char* name;
  const char* text;
  Counter counter;
};
inline constexpr CounterName kCounterNames[] = {
#define USVHOST_NAME(name, text) {#name, text, Counter::name},
    USVHOST_TX_COUNTERS(USVHOST_NAME) USVHOST_RX_COUNTERS(USVHOST_NAME)
#undef USVHOST_NAME
};

/** A port's counters in the mapped file. One writer a counter; anybody may read at any time. */
struct alignas(64) CounterBlock {
  uint64_t values[kCounterSlots];

  void add(Counter counter, uint64_t amount) {
    uint64_t* value = &values[static_cast<size_t>(counter)];
    store_plain(value, load_once(value) + amount);
  }
  uint64_t get(Counter counter) const { return load_once(&values[static_cast<size_t>(counter)]); }
};

}  // namespace usvhost
