// SPDX-License-Identifier: Apache-2.0
// What the senders of a burst claim about their frames: headers loaded once into private memory, judged once for all receivers.
// Frames of a pod without offloads have no claims, and nothing here costs them more than a look at a mask.
#pragma once

#include "offload/tcp_frame.h"
#include "switch/frame.h"
#include "switch/port_table.h"

namespace usvhost {

/** Headers of a pod that negotiated no offload say nothing and are not even read (virtio 1.2, 5.1.6.2.1). */
struct IgnoredHeaders {
  void load(uint32_t /*frame*/, const uint8_t* /*header*/) {}
  void gather(uint32_t /*frame*/, const BufferPiece* /*pieces*/) {}
  bool full(uint32_t /*length*/) { return false; }
};

/** A private copy of each header, of which every word is loaded once. */
class LoadedHeaders {
 public:
  explicit LoadedHeaders(virtio_net_hdr* headers) : headers_(headers) {}
  void load(uint32_t frame, const uint8_t* header) {
    uint64_t first = load_bytes_once(header);
    uint16_t last = *reinterpret_cast<const volatile UnalignedHalf*>(header + sizeof first);
    static_assert(sizeof(virtio_net_hdr) == sizeof first + sizeof last);
    std::memcpy(&headers_[frame], &first, sizeof first);
    std::memcpy(reinterpret_cast<uint8_t*>(&headers_[frame]) + sizeof first, &last, sizeof last);
  }
  void gather(uint32_t frame, const BufferPiece* pieces) {
    usvhost::gather(reinterpret_cast<uint8_t*>(&headers_[frame]), pieces, 0, sizeof(virtio_net_hdr));
  }
  bool full(uint32_t length) {
    bytes_ += length;
    return bytes_ > kBurstBytes;
  }

 private:
  typedef uint16_t UnalignedHalf __attribute__((aligned(1), may_alias));
  virtio_net_hdr* headers_;
  uint64_t bytes_ = 0;
};

class OffloadBurst {
 public:
  void clear() { claimed_ = segmented_ = 0; }
  LoadedHeaders headers() { return LoadedHeaders(headers_); }

  /** Judges the header of frame `i`, which has kEthernetBytes at least. False when it is refused; then it has been counted. */
  bool judge(PortRuntime& source, const Frame& frame, uint32_t i) {
    if (!check(source, frame, i)) return false;
    uint32_t bit = uint32_t{1} << i;
    if (claims_[i].undone != Undone::kNothing) {
      claimed_ |= bit;
      if (claims_[i].segments()) segmented_ |= bit;
    }
    return true;
  }

  bool any_claimed() const { return claimed_ != 0; }
  /** Whether something is still to be done on the frame; claim() then says what. */
  bool claimed(uint32_t frame) const { return (claimed_ >> frame & 1) != 0; }
  /** Whether it is to be segmented, so that its length is no single packet's and headers() of it are those of tcp(). */
  bool segmented(uint32_t frame) const { return (segmented_ >> frame & 1) != 0; }
  const Claim& claim(uint32_t frame) const { return claims_[frame]; }
  const TcpFrame& tcp(uint32_t frame) const { return tcp_[frame]; }

 private:
  static_assert(kBurst <= 32, "a bit for each frame");

  bool check(PortRuntime& source, const Frame& frame, uint32_t i) {
    Claim& claim = claims_[i];
    switch (read_claim(headers_[i], source.leaves, frame.length, claim)) {
      case ClaimError::kNone: break;
      case ClaimError::kGsoKind: return refuse(source, Counter::tx_drop_gso);
      default: return refuse(source, Counter::tx_drop_bad_header);
    }
    if (!claim.segments()) return true;
    const BufferPiece* pieces = frame.list != nullptr ? frame.list : &frame.single;
    if (!tcp_[i].parse(pieces, frame.length, claim)) return refuse(source, Counter::tx_drop_gso);
    // What is judged by the MTU is what will be on the wire: a segment.
    if (claim.segments() && uint32_t{claim.header_bytes} + claim.segment_bytes > source.max_frame) {
      return refuse(source, Counter::tx_drop_oversize);
    }
    return true;
  }
  static bool refuse(PortRuntime& source, Counter counter) {
    source.counters->add(counter, 1);
    return false;
  }

  uint32_t claimed_ = 0;
  uint32_t segmented_ = 0;
  virtio_net_hdr headers_[kBurst];
  Claim claims_[kBurst];
  TcpFrame tcp_[kBurst];
};

}  // namespace usvhost
