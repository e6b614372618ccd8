// SPDX-License-Identifier: Apache-2.0
// TCP frames of every shape that may be segmented, as a driver with segmentation offload hands them over: lengths of the whole,
// the TCP sum that of the pseudo header. Sums are made by a model that adds one word after the other.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "base/wire.h"
#include "offload/claim.h"
#include "switch/copy.h"

namespace usvhost::test {

using Bytes = std::vector<uint8_t>;

/** RFC 1071 word by word in network order, folded, not complemented. */
inline uint16_t model_sum(const uint8_t* bytes, size_t length, uint32_t sum = 0) {
  for (size_t i = 0; i < length; i += 2) {
    sum += static_cast<uint32_t>(bytes[i]) << 8 | (i + 1 < length ? bytes[i + 1] : 0u);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

struct TcpShape {
  bool six = false;
  uint32_t vlan_tags = 0;
  uint32_t ip_options = 0;   // words of 4 bytes; IPv6: extension headers of 8 to 24 bytes
  uint32_t tcp_options = 0;  // words of 4 bytes
  uint32_t data = 4000;
  uint16_t segment = 1448;
  uint8_t flags = 0x10;
  uint32_t seed = 1;
};

struct TcpSample {
  Bytes frame;
  virtio_net_hdr header{};
  uint32_t network, transport, payload;
};

/** The sum over the pseudo header of the TCP part in `frame` (RFC 9293, 3.1; RFC 8200, 8.1). */
inline uint16_t pseudo_sum(const uint8_t* frame, bool six, uint32_t network, uint32_t tcp_bytes) {
  uint32_t sum = model_sum(frame + network + (six ? 8 : 12), six ? 32 : 8);
  uint8_t rest[4] = {0, 6, static_cast<uint8_t>(tcp_bytes >> 8), static_cast<uint8_t>(tcp_bytes)};
  return model_sum(rest, sizeof rest, sum);
}

/** Whether the TCP sum in `frame` is that of its bytes. */
inline bool valid_tcp(const Bytes& frame, bool six, uint32_t network, uint32_t transport) {
  auto bytes = static_cast<uint32_t>(frame.size()) - transport;
  return model_sum(frame.data() + transport, bytes, pseudo_sum(frame.data(), six, network, bytes)) == 0xffff;
}

inline TcpSample build(const TcpShape& shape) {
  std::mt19937 random(shape.seed);
  TcpSample sample;
  Bytes& frame = sample.frame;
  auto put16 = [&frame](uint32_t value) {
    frame.push_back(static_cast<uint8_t>(value >> 8));
    frame.push_back(static_cast<uint8_t>(value));
  };
  auto noise = [&](uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) frame.push_back(static_cast<uint8_t>(random()));
  };
  frame = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1};
  for (uint32_t i = 0; i < shape.vlan_tags; i++) {
    put16(i + 1 < shape.vlan_tags ? 0x88a8 : 0x8100);
    put16(100 + i);
  }
  put16(shape.six ? 0x86dd : 0x0800);
  sample.network = static_cast<uint32_t>(frame.size());
  uint32_t tcp_bytes = 20 + shape.tcp_options * 4 + shape.data;
  if (shape.six) {
    Bytes extensions;
    const uint8_t kinds[] = {0, 60, 43};  // hop by hop is the first one, if it is there
    uint8_t first = 6;
    for (uint32_t i = 0; i < shape.ip_options; i++) {
      uint8_t kind = kinds[i % 3];
      if (i == 0) first = kind;
      uint32_t units = static_cast<uint32_t>(random() % 3);
      extensions.push_back(i + 1 < shape.ip_options ? kinds[(i + 1) % 3 == 0 ? 1 : (i + 1) % 3] : uint8_t{6});
      extensions.push_back(static_cast<uint8_t>(units));
      // Padding options, or a routing header with no segments left.
      for (uint32_t left = 6 + units * 8; left != 0; left--) extensions.push_back(0);
    }
    put16(0x6000);
    put16(static_cast<uint32_t>(random()) & 0xffff);
    put16(static_cast<uint32_t>(extensions.size()) + tcp_bytes);
    frame.push_back(first);
    frame.push_back(64);
    noise(32);
    frame.insert(frame.end(), extensions.begin(), extensions.end());
  } else {
    frame.push_back(static_cast<uint8_t>(0x45 + shape.ip_options));
    frame.push_back(0);
    put16(20 + shape.ip_options * 4 + tcp_bytes);
    put16(static_cast<uint32_t>(random()) & 0xffff);
    put16(0x4000);
    frame.push_back(64);
    frame.push_back(6);
    put16(0);
    noise(8);
    for (uint32_t i = 0; i < shape.ip_options * 4; i++) frame.push_back(1);  // no operation
    uint16_t sum = model_sum(frame.data() + sample.network, frame.size() - sample.network);
    store_be16(frame.data() + sample.network + 10, static_cast<uint16_t>(~sum));
  }
  sample.transport = static_cast<uint32_t>(frame.size());
  noise(12);
  frame.push_back(static_cast<uint8_t>((5 + shape.tcp_options) << 4));
  frame.push_back(shape.flags);
  noise(2);
  put16(pseudo_sum(frame.data(), shape.six, sample.network, tcp_bytes));
  noise(2);
  for (uint32_t i = 0; i < shape.tcp_options * 4; i++) frame.push_back(1);
  sample.payload = static_cast<uint32_t>(frame.size());
  noise(shape.data);
  virtio_net_hdr& header = sample.header;
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.gso_type = shape.six ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
  if ((shape.flags & 0x80) != 0) header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
  header.gso_size = shape.segment;
  header.hdr_len = static_cast<uint16_t>(sample.payload);
  header.csum_start = static_cast<uint16_t>(sample.transport);
  header.csum_offset = 16;
  return sample;
}

inline TcpShape random_shape(std::mt19937& random) {
  auto below = [&random](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  TcpShape shape;
  shape.six = below(2) == 1;
  shape.vlan_tags = below(3) == 0 ? below(3) : 0;
  shape.ip_options = below(2) == 0 ? 0 : below(shape.six ? 4 : 11);
  shape.tcp_options = below(2) == 0 ? 3 : below(11);
  shape.segment = static_cast<uint16_t>(below(4) == 0 ? 256 + below(9000) : below(2) == 0 ? 1448 : 1 + below(1500));
  uint32_t most = std::min<uint32_t>(65535 - 20 - 40 - 20 - 40 - 72, uint32_t{shape.segment} * kMaxSegments);
  shape.data = 1 + below(below(3) == 0 ? most : std::min(most, 12000u));
  shape.flags = static_cast<uint8_t>(below(2) == 0 ? 0x10 : random());
  shape.seed = static_cast<uint32_t>(random());
  return shape;
}

/** Bytes spread over memory of their own, in pieces; some of them have no bytes. */
class Scattered {
 public:
  Scattered(const Bytes& bytes, std::mt19937& random, uint32_t largest) {
    size_t at = 0;
    do {
      size_t length = std::min<size_t>(random() % (largest + 1), bytes.size() - at);
      storage_.emplace_back(bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(at + length));
      at += length;
    } while (at < bytes.size());
    for (Bytes& piece : storage_) {
      piece.reserve(1);
      pieces_.push_back({piece.data(), static_cast<uint32_t>(piece.size())});
    }
  }
  const BufferPiece* pieces() const { return pieces_.data(); }
  Bytes joined() const {
    Bytes all;
    for (const Bytes& piece : storage_) all.insert(all.end(), piece.begin(), piece.end());
    return all;
  }

 private:
  std::vector<Bytes> storage_;
  std::vector<BufferPiece> pieces_;
};

inline constexpr Offloads kAllOffloads{true, true, true, true};

}  // namespace usvhost::test
