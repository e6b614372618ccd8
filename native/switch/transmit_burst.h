// SPDX-License-Identifier: Apache-2.0
// The sender's side of a burst: frames out of the chains of a transmit queue, and the chains given back.
#pragma once

#include <algorithm>

#include "base/cpu.h"
#include "switch/frame.h"
#include "virtio/net_header.h"

namespace usvhost {

/** The general case: any number of pieces, the header anywhere across them. False when there is no room or the chain is bad. */
template <class Header, class Queue, class Headers>
bool fetch_chain(Queue& queue, Chain& chain, const vring_desc& first, const RegionTable& memory, Scratch& scratch,
                 uint32_t index, Frame& frame, Headers& headers) {
  if (!scratch.has_room()) return false;
  PieceList pieces{scratch.free() + 1};
  if (!queue.template walk<Direction::kReadable>(chain, first, memory, pieces)) return false;
  scratch.take(pieces.count + 1);
  frame.list = pieces.out;
  frame.length = 0;
  if (pieces.total < Header::kBytes) return true;  // length 0: it is dropped and counted as too short
  headers.gather(index, frame.list);
  frame.cut_front(Header::kBytes);
  frame.length = static_cast<uint32_t>(std::min<uint64_t>(pieces.total - Header::kBytes, UINT32_MAX));
  return true;
}

/**
 * Translates up to kBurst chains into frames; stops early at a broken one, or when `headers` (IgnoredHeaders, LoadedHeaders) has
 * had enough. Returns how many.
 */
template <class Header, class Queue, class Headers>
uint32_t fetch_burst(Queue& queue, const RegionTable& memory, Scratch& scratch, Frame* frames, Chain* chains,
                     Headers headers) {
  queue.begin();
  uint32_t count = queue.look_ahead(chains, kBurst);
  for (uint32_t i = 0; i < count; i++) {
    vring_desc descriptor;
    if (!queue.take(chains[i], descriptor)) return i;
    Frame& frame = frames[i];
    if (descriptor.flags == 0 && descriptor.len >= Header::kBytes) [[likely]] {
      uint8_t* data = memory.translate(descriptor.addr, descriptor.len);
      if (data != nullptr) [[likely]] {
        headers.load(i, data);
        uint32_t length = descriptor.len - Header::kBytes;
        frame.list = nullptr;
        frame.single = {data + Header::kBytes, length};
        frame.length = length;
        prefetch_read(data + Header::kBytes);
        if (headers.full(length)) return i + 1;
        continue;
      }
    }
    if (!fetch_chain<Header>(queue, chains[i], descriptor, memory, scratch, i, frame, headers)) return i;
    if (headers.full(frame.length)) return i + 1;
  }
  return count;
}

}  // namespace usvhost
