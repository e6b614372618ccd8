// SPDX-License-Identifier: Apache-2.0
// A frame while it is on its way through a burst: pieces of its sender's memory, checked and translated, and the scratch space
// in which pieces are listed when there is more than one.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/wire.h"
#include "switch/mac_table.h"
#include "virtio/device_chain.h"
#include "virtio/split_ring.h"

namespace usvhost {

/** Frames of one port in one pass: fairness between ports, and the size of what a burst needs. */
inline constexpr uint32_t kBurst = 32;
/** Bytes to copy after which a burst ends, where one frame may have 64 KiB or go to hundreds of ports: the other ports wait meanwhile. */
inline constexpr uint32_t kBurstBytes = 256 * 1024;

/**
 * Its sender goes on writing, so the Ethernet header is read once and sent as it was read: who it goes to and whom it claims to
 * come from is what was decided upon, whatever stands there by the time of the copy.
 */
struct Frame {
  BufferPiece* list;     // its pieces, when it does not lie in one, with a free place before them; else null
  BufferPiece single;    // all of it, when it does
  uint32_t length;       // from the destination address on
  uint8_t ethernet[16];  // from read_ethernet() on

  /** `start` has the header; the frame has at least kEthernetBytes bytes. Each address is of one load, and what is kept is what was loaded. */
  void read_ethernet(const uint8_t* start) {
    uint64_t low = load_bytes_once(start);
    uint64_t high = load_bytes_once(start + 6);
    std::memcpy(ethernet, &low, sizeof low);
    std::memcpy(ethernet + 6, &high, sizeof high);
  }
  MacAddress destination() const { return address(ethernet); }
  MacAddress origin() const { return address(ethernet + 6); }
  void write_ethernet(uint8_t* to) const {
    std::memcpy(to, ethernet, 8);
    std::memcpy(to + 6, ethernet + 6, 8);
  }
  /** After read_ethernet(): puts that copy in the place of what stands in the list. */
  void own_list() {
    cut_front(kEthernetBytes);
    *--list = {ethernet, kEthernetBytes};
  }
  /** The pieces with our copy of the header as the first one; `own` is where they are when there is no list. */
  const BufferPiece* pieces(BufferPiece (&own)[2]) const {
    if (list != nullptr) return list;
    own[0] = {const_cast<uint8_t*>(ethernet), kEthernetBytes};  // nobody writes by a frame's pieces
    own[1] = {single.data + kEthernetBytes, single.length - kEthernetBytes};
    return own;
  }
  /** Cuts `bytes` off the front of the list, which has them; a piece may be left that has none. */
  void cut_front(uint32_t bytes) {
    for (;;) {
      uint32_t cut = std::min(bytes, list->length);
      list->data += cut;
      list->length -= cut;
      bytes -= cut;
      if (bytes == 0) return;
      list++;
    }
  }

 private:
  static MacAddress address(const uint8_t* bytes) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word & kMacMask;
  }
};

/** Pieces of scattered buffers: a chain has at most kMaxQueueSize of them, and a burst stops when no second such chain fits. */
class Scratch {
 public:
  Scratch() : pieces_(new BufferPiece[kPieces]) {}
  void clear() { used_ = 0; }
  bool has_room() const { return used_ + kMaxQueueSize + 1 <= kPieces; }
  /** The free end, with room for the longest chain when has_room() says so, and one place more. */
  BufferPiece* free() { return &pieces_[used_]; }
  void take(uint32_t count) { used_ += count; }
  uint32_t mark() const { return used_; }
  void release(uint32_t mark) { used_ = mark; }

 private:
  static constexpr uint32_t kPieces = 2 * (kMaxQueueSize + 1);
  std::unique_ptr<BufferPiece[]> pieces_;
  uint32_t used_ = 0;
};

}  // namespace usvhost
