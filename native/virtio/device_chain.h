// SPDX-License-Identifier: Apache-2.0
// What the device side of both kinds of rings makes of a driver's descriptors: pieces that are translated and checked, and what
// is needed to give a chain back.
#pragma once

#include "memory/region_table.h"
#include "virtio/guest_word.h"
#include "virtio/ring_error.h"

namespace usvhost {

/** A piece of a buffer, already translated and checked. */
struct BufferPiece {
  uint8_t* data;
  uint32_t length;
};

enum class Direction : uint8_t { kReadable, kWritable };

/** A chain that was taken from a ring and not yet given back. */
struct Chain {
  uint16_t id;       // what the driver wants back: the head's index, or a packed buffer's id. Never an index of ours.
  uint16_t entries;  // of the ring; always 1 in a split one
  uint32_t written;  // by us, in bytes
};

/** Bits of a descriptor's flags that mean something; a packed one has its availability in others. */
inline constexpr uint16_t kDescriptorFlags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;

/** The pieces of one chain. `out` has room for as many as the queue has entries. */
struct PieceList {
  BufferPiece* out;
  uint32_t count = 0;
  uint64_t total = 0;

  /** Adds what a private copy of a descriptor says; empty pieces are left out, and their address is not looked at. */
  template <Direction kDirection>
  RingError add(const vring_desc& descriptor, const RegionTable& memory) {
    constexpr uint16_t kWanted = kDirection == Direction::kWritable ? VRING_DESC_F_WRITE : 0;
    if ((descriptor.flags & VRING_DESC_F_WRITE) != kWanted) return RingError::kDirection;
    if (descriptor.len == 0) return RingError::kNone;
    uint8_t* data = memory.translate(descriptor.addr, descriptor.len);
    if (data == nullptr) return RingError::kAddress;
    out[count++] = {data, descriptor.len};
    total += descriptor.len;
    return RingError::kNone;
  }
};

/** A table of descriptors outside the ring (virtio 1.2, 2.7.5.3 and 2.8.7), checked as a whole and then read entry by entry. */
class IndirectTable {
 public:
  /** False when `descriptor` does not name 1 to `limit` whole entries that lie in one region. */
  bool open(const vring_desc& descriptor, const RegionTable& memory, uint16_t limit) {
    if (descriptor.len == 0 || descriptor.len % kEntry != 0 || descriptor.len / kEntry > limit) return false;
    entries_ = descriptor.len / kEntry;
    table_ = memory.translate(descriptor.addr, descriptor.len);
    return table_ != nullptr;
  }
  uint32_t entries() const { return entries_; }
  /** A private copy of the two words of an entry. No alignment is asked of a table. */
  template <class Descriptor>
  Descriptor load(uint32_t index) const {
    static_assert(sizeof(Descriptor) == kEntry);
    uint64_t words[2] = {load_bytes_once(table_ + kEntry * index), load_bytes_once(table_ + kEntry * index + 8)};
    Descriptor copy;
    std::memcpy(&copy, words, sizeof copy);
    return copy;
  }

 private:
  static constexpr uint32_t kEntry = 16;
  const uint8_t* table_ = nullptr;
  uint32_t entries_ = 0;
};

}  // namespace usvhost
