// SPDX-License-Identifier: Apache-2.0
// Bytes become a virtio header and a frame in pieces; what the header claims is then done. Every piece and every buffer has
// memory of exactly its length, so that one byte too far is seen; lengths and sums must come out right.
#include <cstdlib>
#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "offload/finish.h"
#include "offload/segmenter.h"

namespace usvhost::fuzz {
namespace {

void expect(bool condition) {
  if (!condition) abort();
}

/** Memory in pieces of the lengths that the fuzzer likes. */
struct Pieces {
  Pieces(Input& input, uint32_t bytes) {
    do {
      uint32_t length = std::min<uint32_t>(input.empty() ? bytes : input.byte() * 16u, bytes);
      memory.push_back(std::make_unique<uint8_t[]>(length));
      pieces.push_back({memory.back().get(), length});
      bytes -= length;
    } while (bytes != 0);
  }
  PieceCursor cursor() const { return PieceCursor(pieces.data()); }
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  std::vector<BufferPiece> pieces;
};

/** A frame that mostly is TCP over IP, so that the fuzzer need not find that out first. */
std::vector<uint8_t> make_frame(Input& input) {
  std::vector<uint8_t> frame(kEthernetBytes + input.number<uint16_t>() % 6000);
  uint8_t shape = input.byte();
  std::vector<uint8_t> start(shape & 2 ? 14 + 40 : 14 + 20);
  store_be16(start.data() + 12, shape & 2 ? 0x86dd : 0x0800);
  start[14] = shape & 2 ? 0x60 : 0x45;
  start[shape & 2 ? 14 + 6 : 14 + 9] = 6;
  if ((shape & 1) != 0) std::copy_n(start.begin(), std::min(start.size(), frame.size()), frame.begin());
  size_t tcp = start.size() + 12;
  if (tcp < frame.size()) frame[tcp] = 0x50;
  for (int patch = shape >> 4; patch != 0; patch--) {
    size_t at = input.byte() % frame.size();
    input.bytes(frame.data() + at, std::min<size_t>(input.byte() % 16, frame.size() - at));
  }
  return frame;
}

void run(Input input) {
  virtio_net_hdr header{};
  uint8_t wish = input.byte();
  input.bytes(reinterpret_cast<uint8_t*>(&header), sizeof header);
  uint64_t features = input.number<uint64_t>();
  std::vector<uint8_t> bytes = make_frame(input);
  auto length = static_cast<uint32_t>(bytes.size());
  if ((wish & 1) != 0) {
    header.flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header.gso_type = wish & 2 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    header.hdr_len = 0;
    header.csum_offset = kTcpChecksumOffset;
    if ((wish & 4) != 0) header.csum_start = wish & 2 ? 54 : 34;
    features = UINT64_MAX;
  }
  Pieces source(input, length);
  source.cursor().write(bytes.data(), length);

  Claim claim;
  if (read_claim(header, sender_offloads(features), length, claim) != ClaimError::kNone) return;
  TcpFrame frame;
  if (claim.segments() && !frame.parse(source.pieces.data(), length, claim)) return;
  virtio_net_hdr_mrg_rxbuf written = write_claim(claim, 1);
  Claim again;
  expect(read_claim(written.hdr, sender_offloads(UINT64_MAX), length, again) == ClaimError::kNone);
  expect(again.undone == claim.undone && again.checksum_at == claim.checksum_at);

  Pieces target(input, length);
  if (claim.undone == Undone::kChecksum) {
    copy_and_finish(target.cursor(), source.pieces.data(), length, claim);
    std::vector<uint8_t> copy(length);
    target.cursor().read(copy.data(), length);
    for (uint32_t i = 0; i < length; i++) {
      expect(copy[i] == bytes[i] || i == claim.checksum_at || i == claim.checksum_at + 1u);
    }
  } else if (claim.segments()) {
    copy_whole(target.cursor(), source.pieces.data(), length, frame);
    std::vector<uint8_t> copy(length);
    target.cursor().read(copy.data(), length);
    expect(copy == bytes);
    Segmenter segmenter(frame, claim, source.pieces.data(), length);
    uint32_t count = segmenter.remaining(), data = 0;
    expect(count >= 2 && count <= kMaxSegments);
    for (; segmenter.next_bytes() != 0; count--) {
      uint32_t next = segmenter.next_bytes();
      expect(count != 0 && next > frame.payload && next <= frame.payload + uint32_t{claim.segment_bytes});
      Pieces segment(input, next);
      segmenter.write(segment.cursor());
      std::vector<uint8_t> made(next);
      segment.cursor().read(made.data(), next);
      expect(std::equal(made.begin() + frame.payload, made.end(), bytes.begin() + frame.payload + data));
      data += next - frame.payload;
    }
    expect(count == 0 && frame.payload + data == length);
  }
}

}  // namespace
}  // namespace usvhost::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  usvhost::fuzz::run(usvhost::fuzz::Input(data, size));
  return 0;
}
