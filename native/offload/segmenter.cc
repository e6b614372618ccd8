// SPDX-License-Identifier: Apache-2.0
#include "offload/segmenter.h"

#include "base/wire.h"

namespace usvhost {

namespace {

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPush = 0x08;
constexpr uint8_t kCwr = 0x80;

}  // namespace

Segmenter::Segmenter(const TcpFrame& frame, const Claim& claim, const BufferPiece* pieces, uint32_t length)
    : frame_(frame), claim_(claim), from_(pieces), left_(length - frame.payload), whole_(length - frame.transport) {
  from_.skip(frame.payload);
  std::memcpy(headers_, frame.bytes, frame.payload);
}

void Segmenter::patch_network(uint32_t data) {
  uint8_t* ip = headers_ + frame_.network;
  uint32_t behind = frame_.payload + data - frame_.network;
  if (claim_.undone == Undone::kTcp6) {
    store_be16(ip + 4, static_cast<uint16_t>(behind - 40));
    return;
  }
  store_be16(ip + 2, static_cast<uint16_t>(behind));
  // Each segment is a packet of its own; ids are counted on whether or not they matter (RFC 6864 leaves both).
  uint16_t id = load_be16(frame_.bytes + frame_.network + 4);
  store_be16(ip + 4, static_cast<uint16_t>(id + index_));
  store_be16(ip + 10, 0);
  store_sum(ip + 10, static_cast<uint16_t>(~fold_sum(sum_bytes(ip, frame_.transport - frame_.network))));
}

void Segmenter::patch_transport(uint32_t data) {
  const uint8_t* original = frame_.bytes + frame_.transport;
  uint8_t* tcp = headers_ + frame_.transport;
  store_be32(tcp + 4, load_be32(original + 4) + index_ * claim_.segment_bytes);
  uint8_t flags = original[13];
  if (data != left_)
    flags &= static_cast<uint8_t>(~(kFin | kPush));       // what ends a stream or a write ends with the last
  if (index_ != 0) flags &= static_cast<uint8_t>(~kCwr);  // one answer to one congestion signal
  tcp[13] = flags;
  store_be16(tcp + kTcpChecksumOffset, 0);
}

void Segmenter::write(PieceCursor to) {
  uint32_t data = next_data();
  patch_network(data);
  patch_transport(data);
  // The field holds the sum of the pseudo header, with the length of the whole frame; it becomes that of the segment's
  // (RFC 1624, 3). Addresses are not summed anew: behind a routing header they would be the wrong ones.
  const uint8_t* field = frame_.bytes + frame_.transport + kTcpChecksumOffset;
  uint8_t lengths[4];
  uint32_t tcp_bytes = frame_.payload - frame_.transport;
  store_be16(lengths, static_cast<uint16_t>(~whole_));
  store_be16(lengths + 2, static_cast<uint16_t>(tcp_bytes + data));
  RunningSum sum;
  sum.add(load_sum(field), 2);
  sum.add(sum_bytes(lengths, sizeof lengths), sizeof lengths);
  sum.add(sum_bytes(headers_ + frame_.transport, tcp_bytes), tcp_bytes);

  PieceCursor start = to;
  to.skip(frame_.payload);
  copy_pieces_and_sum(to, from_, data, sum);
  store_sum(headers_ + frame_.transport + kTcpChecksumOffset, static_cast<uint16_t>(~sum.value()));
  start.write(headers_, frame_.payload);
  left_ -= data;
  index_++;
}

}  // namespace usvhost
