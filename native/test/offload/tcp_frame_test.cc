// SPDX-License-Identifier: Apache-2.0
// TcpFrame: headers of every shape are found, and whatever else is in their place is refused. Frames lie in memory of exactly
// their length, so that a sanitizer sees one byte too many.
#include "offload/tcp_frame.h"

#include <doctest/doctest.h>

#include <memory>

#include "test/offload/tcp_shapes.h"

namespace usvhost::test {
namespace {

struct Parsed {
  bool ok;
  TcpFrame frame;
  Claim claim;
};

Parsed parse(const Bytes& bytes, const virtio_net_hdr& header) {
  Parsed parsed{};
  auto length = static_cast<uint32_t>(bytes.size());
  auto exact = std::make_unique<uint8_t[]>(length);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  BufferPiece piece{exact.get(), length};
  REQUIRE(read_claim(header, kAllOffloads, length, parsed.claim) == ClaimError::kNone);
  REQUIRE(parsed.claim.segments());
  parsed.ok = parsed.frame.parse(&piece, length, parsed.claim);
  return parsed;
}

TEST_CASE("headers of every shape are found") {
  std::mt19937 random(23);
  int cut = 0;
  for (int round = 0; round < 3000; round++) {
    TcpShape shape = random_shape(random);
    TcpSample sample = build(shape);
    Parsed parsed = parse(sample.frame, sample.header);
    CAPTURE(shape.six);
    CAPTURE(shape.ip_options);
    REQUIRE(parsed.ok);
    REQUIRE(parsed.frame.network == sample.network);
    REQUIRE(parsed.frame.transport == sample.transport);
    REQUIRE(parsed.frame.payload == sample.payload);
    REQUIRE(std::equal(parsed.frame.bytes, parsed.frame.bytes + sample.payload, sample.frame.begin()));
    if (shape.data <= shape.segment) {
      REQUIRE(parsed.claim.undone == Undone::kChecksum);
      REQUIRE(parsed.claim.segment_bytes == 0);
    } else {
      cut++;
      REQUIRE(parsed.claim.header_bytes == sample.payload);
      REQUIRE(parsed.claim.ecn == ((shape.flags & 0x80) != 0));
    }
  }
  CHECK(cut > 500);
}

TEST_CASE("the claim of ECN follows the frame, not the sender") {
  TcpSample sample = build({.flags = 0x90});
  sample.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
  CHECK(parse(sample.frame, sample.header).claim.ecn);
  sample = build({});
  sample.header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
  CHECK_FALSE(parse(sample.frame, sample.header).claim.ecn);
}

TEST_CASE("what is not TCP over the version that was claimed") {
  struct Case {
    const char* what;
    TcpShape shape;
    void (*spoil)(TcpSample& sample);
  };
  auto six = [] { return TcpShape{.six = true, .ip_options = 2}; };
  for (const Case& one : std::initializer_list<Case>{
           {"another type", {}, [](TcpSample& s) { s.frame[13] = 6; }},
           {"the other version's type", {}, [](TcpSample& s) { s.frame[12] = 0x86, s.frame[13] = 0xdd; }},
           {"claimed as the other version", {}, [](TcpSample& s) { s.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; }},
           {"three VLAN tags", {.vlan_tags = 3}, [](TcpSample&) {}},
           {"another version", {}, [](TcpSample& s) { s.frame[14] = 0x65; }},
           {"a header of 16 bytes", {}, [](TcpSample& s) { s.frame[14] = 0x44; }},
           {"a header longer than it is", {}, [](TcpSample& s) { s.frame[14] = 0x46; }},
           {"UDP", {}, [](TcpSample& s) { s.frame[14 + 9] = 17; }},
           {"more fragments", {}, [](TcpSample& s) { s.frame[14 + 6] = 0x20; }},
           {"a later fragment", {}, [](TcpSample& s) { s.frame[14 + 7] = 1; }},
           {"a TCP header of 16 bytes", {}, [](TcpSample& s) { s.frame[s.transport + 12] = 0x40; }},
           {"no TCP header", {}, [](TcpSample& s) { s.frame[s.transport + 12] = 0; }},
           {"a sum from elsewhere", {}, [](TcpSample& s) { s.header.csum_start += 1; }},
           {"a sum at the urgent pointer", {}, [](TcpSample& s) { s.header.csum_offset = 18; }},
           {"a sum at the same place from elsewhere",
            {},
            [](TcpSample& s) {
              s.header.csum_start -= 4;
              s.header.csum_offset += 4;
            }},
           {"no data", {}, [](TcpSample& s) { s.frame.resize(s.payload); }},
           {"half a TCP header",
            {.tcp_options = 8},
            [](TcpSample& s) {
              s.frame.resize(s.transport + 30);
              s.header.hdr_len = 0;
            }},
           {"segments too many", {.data = 257 * 20, .segment = 20}, [](TcpSample&) {}},
           {"one segment too many", {.data = 256 * 20 + 1, .segment = 20}, [](TcpSample&) {}},
           {"longer than a packet", {}, [](TcpSample& s) { s.frame.resize(kMaxGsoFrame + 1); }},
           {"a fragment header", six(), [](TcpSample& s) { s.frame[14 + 6] = 44; }},
           {"an authentication header", six(), [](TcpSample& s) { s.frame[14 + 6] = 51; }},
           {"no next header", six(), [](TcpSample& s) { s.frame[14 + 6] = 59; }},
           {"TCP at once", six(), [](TcpSample& s) { s.frame[14 + 6] = 6; }},
           {"an extension header of 2048 bytes", six(), [](TcpSample& s) { s.frame[14 + 41] = 255; }},
           {"an extension header that leads elsewhere", six(),
            [](TcpSample& s) { s.frame[14 + 40] = 0, s.frame[14 + 41]++; }},
       }) {
    CAPTURE(one.what);
    TcpSample sample = build(one.shape);
    one.spoil(sample);
    Parsed parsed = parse(sample.frame, sample.header);
    CHECK_FALSE(parsed.ok);
  }
  CHECK(parse(build({.data = 256 * 20, .segment = 20}).frame, build({.data = 256 * 20, .segment = 20}).header).ok);
}

TEST_CASE("headers that fill the room, and one unit more") {
  // 14 + 2 x 4 + 40 + extensions + 60: at most 134 bytes of extensions, which come in units of 8.
  for (uint32_t units : {16u, 17u}) {
    TcpSample sample = build({.six = true, .vlan_tags = 2, .ip_options = 0, .tcp_options = 10});
    Bytes extension(units * 8, 0);
    extension[0] = 6;
    extension[1] = static_cast<uint8_t>(units - 1);
    sample.frame.insert(sample.frame.begin() + 22 + 40, extension.begin(), extension.end());
    sample.frame[22 + 6] = 60;
    sample.header.csum_start = static_cast<uint16_t>(sample.header.csum_start + extension.size());
    CHECK(parse(sample.frame, sample.header).ok == (units == 16));
  }
}

TEST_CASE("every shorter frame and every changed byte: found inside the frame or refused") {
  for (bool six : {false, true}) {
    TcpSample sample = build({.six = six, .vlan_tags = 1, .ip_options = 2, .data = 60, .segment = 20});
    sample.header.hdr_len = 0;
    for (size_t length = sample.header.csum_start + 18u; length < sample.frame.size(); length++) {
      Bytes shorter(sample.frame.begin(), sample.frame.begin() + static_cast<long>(length));
      Parsed parsed = parse(shorter, sample.header);
      REQUIRE(parsed.ok == (length > sample.payload));
    }
    for (size_t at = 12; at < sample.payload; at++) {
      for (int value = 0; value < 256; value++) {
        Bytes changed = sample.frame;
        changed[at] = static_cast<uint8_t>(value);
        Parsed parsed = parse(changed, sample.header);
        if (!parsed.ok) continue;
        REQUIRE(parsed.frame.transport == sample.transport);
        REQUIRE(parsed.frame.payload < changed.size());
        REQUIRE(parsed.frame.payload <= TcpFrame::kRoom);
      }
    }
  }
}

}  // namespace
}  // namespace usvhost::test
