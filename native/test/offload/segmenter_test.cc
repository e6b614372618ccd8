// SPDX-License-Identifier: Apache-2.0
// Segmenter and finished sums against what a receiver would check: every segment is a valid packet by the model's sums, and
// together they are the frame. That the bytes are those of Linux is the business of kernel_oracle_test.cc.
#include "offload/segmenter.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "offload/finish.h"
#include "test/offload/tcp_shapes.h"
#include "test/support.h"

namespace usvhost::test {
namespace {

/** Receive buffers filled with 0xee: nothing but the wanted bytes may change. */
Bytes blank(uint32_t bytes) { return Bytes(bytes, 0xee); }

std::vector<Bytes> cut(const BufferPiece* pieces, uint32_t length, const virtio_net_hdr& header, std::mt19937& random) {
  std::vector<Bytes> segments;
  Claim claim;
  TcpFrame frame;
  REQUIRE(read_claim(header, kAllOffloads, length, claim) == ClaimError::kNone);
  REQUIRE(frame.parse(pieces, length, claim));
  REQUIRE(claim.segments());
  Segmenter segmenter(frame, claim, pieces, length);
  uint32_t expected = segmenter.remaining();
  while (uint32_t bytes = segmenter.next_bytes()) {
    Scattered target(blank(bytes + 3), random, random() % 2 == 0 ? 70 : 3000);
    segmenter.write(PieceCursor(target.pieces()));
    Bytes written = target.joined();
    REQUIRE(std::all_of(written.end() - 3, written.end(), [](uint8_t byte) { return byte == 0xee; }));
    written.resize(bytes);
    segments.push_back(std::move(written));
  }
  REQUIRE(segments.size() == expected);
  return segments;
}

TEST_CASE("segments are valid packets and together the frame") {
  std::mt19937 random(31);
  int cuts = 0;
  for (int round = 0; round < 1500; round++) {
    TcpShape shape = random_shape(random);
    if (shape.data <= shape.segment) continue;
    TcpSample sample = build(shape);
    Scattered source(sample.frame, random, random() % 3 == 0 ? 50 : 4096);
    auto length = static_cast<uint32_t>(sample.frame.size());
    std::vector<Bytes> segments = cut(source.pieces(), length, sample.header, random);
    REQUIRE(segments.size() == (shape.data + shape.segment - 1) / shape.segment);
    Bytes data;
    const uint8_t* original = sample.frame.data();
    for (size_t i = 0; i < segments.size(); i++) {
      const Bytes& segment = segments[i];
      bool last = i + 1 == segments.size();
      const uint8_t* ip = segment.data() + sample.network;
      const uint8_t* tcp = segment.data() + sample.transport;
      REQUIRE(std::equal(segment.begin(), segment.begin() + sample.network, original));
      if (shape.six) {
        REQUIRE(load_be16(ip + 4) == segment.size() - sample.network - 40);
      } else {
        REQUIRE(load_be16(ip + 2) == segment.size() - sample.network);
        REQUIRE(load_be16(ip + 4) == static_cast<uint16_t>(load_be16(original + sample.network + 4) + i));
        REQUIRE(model_sum(ip, sample.transport - sample.network) == 0xffff);
      }
      REQUIRE(load_be32(tcp + 4) ==
              load_be32(original + sample.transport + 4) + static_cast<uint32_t>(i) * shape.segment);
      auto kept = static_cast<uint8_t>(0xff & ~(last ? 0 : 0x09) & ~(i == 0 ? 0 : 0x80));
      REQUIRE(tcp[13] == (shape.flags & kept));
      REQUIRE(valid_tcp(segment, shape.six, sample.network, sample.transport));
      data.insert(data.end(), segment.begin() + sample.payload, segment.end());
    }
    REQUIRE(data.size() == shape.data);
    REQUIRE(std::equal(data.begin(), data.end(), original + sample.payload));
    cuts++;
  }
  CHECK(cuts > 300);
}

TEST_CASE("a finished sum is valid, wherever it stands, and nothing else changes") {
  std::mt19937 random(37);
  for (int round = 0; round < 3000; round++) {
    auto length = static_cast<uint32_t>(kEthernetBytes + 2 + random() % 3000);
    Bytes frame(length);
    for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random());
    virtio_net_hdr header{};
    header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header.csum_start = static_cast<uint16_t>(kEthernetBytes + random() % (length - kEthernetBytes - 1));
    header.csum_offset = static_cast<uint16_t>(random() % (length - header.csum_start - 1));
    Claim claim;
    REQUIRE(read_claim(header, kAllOffloads, length, claim) == ClaimError::kNone);
    Scattered source(frame, random, random() % 2 == 0 ? 40 : 4096);
    Scattered target(blank(length + 3), random, random() % 2 == 0 ? 40 : 4096);
    copy_and_finish(PieceCursor(target.pieces()), source.pieces(), length, claim);
    Bytes written = target.joined();
    uint32_t at = claim.checksum_at;
    // Odd offsets have their sum stored as it is, like everybody does; then the words of the check are other ones.
    auto sum = static_cast<uint16_t>(~model_sum(frame.data() + header.csum_start, length - header.csum_start));
    REQUIRE(load_be16(written.data() + at) == (sum == 0 ? 0xffff : sum));
    REQUIRE(std::equal(written.begin(), written.begin() + at, frame.begin()));
    REQUIRE(std::equal(written.begin() + at + 2, written.begin() + length, frame.begin() + at + 2));
    REQUIRE(written[length] == 0xee);
  }
}

TEST_CASE("a sum of zero is stored as all ones") {
  Bytes frame(64, 0);
  frame[40] = frame[41] = 0xff;
  Bytes to(64, 0);
  BufferPiece from{frame.data(), 64}, into{to.data(), 64};
  Claim claim;
  claim.undone = Undone::kChecksum;
  claim.checksum_start = 34;
  claim.checksum_at = 50;
  copy_and_finish(PieceCursor(&into), &from, 64, claim);
  CHECK(load_be16(to.data() + 50) == 0xffff);
}

TEST_CASE("a frame that is passed on whole has the headers that were looked at") {
  std::mt19937 random(41);
  TcpSample sample = build({.data = 9000});
  auto length = static_cast<uint32_t>(sample.frame.size());
  BufferPiece piece{sample.frame.data(), length};
  Claim claim;
  TcpFrame frame;
  REQUIRE(read_claim(sample.header, kAllOffloads, length, claim) == ClaimError::kNone);
  REQUIRE(frame.parse(&piece, length, claim));
  Bytes judged = sample.frame;
  std::fill(sample.frame.begin(), sample.frame.begin() + sample.payload, uint8_t{0x55});
  Scattered target(blank(length + 1), random, 1500);
  copy_whole(PieceCursor(target.pieces()), &piece, length, frame);
  judged.push_back(0xee);
  CHECK(target.joined() == judged);
}

TEST_CASE("a sender that keeps writing gets valid sums of some bytes, or none of its own making") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: needs a race on purpose, which the thread sanitizer would report");
    return;
  }
  // Data alone changes: then every segment is valid, because the sum is of the bytes that were written.
  TcpSample sample = build({.data = 6000, .segment = 1448});
  auto length = static_cast<uint32_t>(sample.frame.size());
  uint8_t* bytes = sample.frame.data();
  BufferPiece piece{bytes, length};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint8_t value = 0; !stop.load(std::memory_order_relaxed); value++) {
      for (uint32_t at = sample.payload; at < length; at++) __atomic_store_n(bytes + at, value, __ATOMIC_RELAXED);
    }
  });
  std::mt19937 random(43);
  int mixed = 0;
  for (int round = 0; round < 400; round++) {
    for (const Bytes& segment : cut(&piece, length, sample.header, random)) {
      REQUIRE(valid_tcp(segment, false, sample.network, sample.transport));
      mixed += segment[sample.payload] != segment.back() ? 1 : 0;
    }
  }
  stop.store(true);
  writer.join();
  MESSAGE("segments whose bytes changed while they were copied: ", mixed);
}

}  // namespace
}  // namespace usvhost::test
