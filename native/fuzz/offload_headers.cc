// SPDX-License-Identifier: Apache-2.0
// Bytes become a virtio header and a frame in pieces; what the header claims is then done. Every piece and every buffer has
// memory of exactly its length, so that one byte too far is seen; lengths and sums must come out right.
#include <span>

#include "fuzz/exact_memory.h"
#include "offload/finish.h"
#include "offload/segmenter.h"

namespace usvhost::fuzz {
namespace {

constexpr size_t kMostPieces = 512;
constexpr uint32_t kLongest = kEthernetBytes + 5999;

/** The source, the target and one segment at a time, all in as many pieces as there may be, and the lists of these. */
ExactMemory& memory() {
  constexpr size_t kPiece = ExactMemory::room(0) + ExactMemory::room(sizeof(BufferPiece));
  static ExactMemory memory(3 * (ExactMemory::room(kLongest + TcpFrame::kRoom) + kMostPieces * kPiece));
  return memory;
}

/** Memory in pieces of the lengths that the fuzzer likes. */
struct Pieces {
  Pieces(Input& input, uint32_t bytes) {
    BufferPiece found[kMostPieces];
    size_t count = 0;
    do {
      bool whole = input.empty() || count + 1 == kMostPieces;
      uint32_t length = std::min<uint32_t>(whole ? bytes : input.byte() * 16u, bytes);
      found[count++] = {memory().take(length), length};
      bytes -= length;
    } while (bytes != 0);
    pieces = reinterpret_cast<BufferPiece*>(memory().take(count * sizeof *found));
    std::copy_n(found, count, pieces);
  }
  PieceCursor cursor() const { return PieceCursor(pieces); }
  BufferPiece* pieces;
};

/** Room for a frame, which is used again in the next run. */
struct FrameRoom {
  std::span<uint8_t> first(uint32_t length) { return {bytes, length}; }
  uint8_t bytes[kLongest];
};

/** A frame that mostly is TCP over IP, so that the fuzzer need not find that out first. */
std::span<uint8_t> make_frame(Input& input, FrameRoom& room) {
  std::span<uint8_t> frame = room.first(kEthernetBytes + input.number<uint16_t>() % 6000u);
  std::fill(frame.begin(), frame.end(), 0);
  uint8_t shape = input.byte();
  uint8_t start[14 + 40] = {};
  const size_t headers = shape & 2 ? 14 + 40 : 14 + 20;
  store_be16(start + 12, shape & 2 ? 0x86dd : 0x0800);
  start[14] = shape & 2 ? 0x60 : 0x45;
  start[shape & 2 ? 14 + 6 : 14 + 9] = 6;
  if ((shape & 1) != 0) std::copy_n(start, std::min(headers, frame.size()), frame.begin());
  size_t tcp = headers + 12;
  if (tcp < frame.size()) frame[tcp] = 0x50;
  for (int patch = shape >> 4; patch != 0; patch--) {
    size_t at = input.byte() % frame.size();
    input.bytes(frame.data() + at, std::min<size_t>(input.byte() % 16, frame.size() - at));
  }
  return frame;
}

void run(Input input) {
  memory().reset();
  virtio_net_hdr header{};
  uint8_t wish = input.byte();
  input.bytes(reinterpret_cast<uint8_t*>(&header), sizeof header);
  uint64_t features = input.number<uint64_t>();
  static FrameRoom frame_room, copy_room;
  std::span<uint8_t> bytes = make_frame(input, frame_room);
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
  if (claim.segments() && !frame.parse(source.pieces, length, claim)) return;
  virtio_net_hdr_mrg_rxbuf written = write_claim(claim, 1);
  Claim again;
  expect(read_claim(written.hdr, sender_offloads(UINT64_MAX), length, again) == ClaimError::kNone);
  expect(again.undone == claim.undone && again.checksum_at == claim.checksum_at);

  Pieces target(input, length);
  if (claim.undone == Undone::kChecksum) {
    copy_and_finish(target.cursor(), source.pieces, length, claim);
    std::span<uint8_t> copy = copy_room.first(length);
    target.cursor().read(copy.data(), length);
    std::copy_n(bytes.begin() + claim.checksum_at, 2,
                copy.begin() + claim.checksum_at);  // all but the sum is as it was
    expect(std::equal(copy.begin(), copy.end(), bytes.begin(), bytes.end()));
  } else if (claim.segments()) {
    copy_whole(target.cursor(), source.pieces, length, frame);
    std::span<uint8_t> copy = copy_room.first(length);
    target.cursor().read(copy.data(), length);
    expect(std::equal(copy.begin(), copy.end(), bytes.begin(), bytes.end()));
    Segmenter segmenter(frame, claim, source.pieces, length);
    uint32_t count = segmenter.remaining(), data = 0;
    expect(count >= 2 && count <= kMaxSegments);
    for (; segmenter.next_bytes() != 0; count--) {
      uint32_t next = segmenter.next_bytes();
      expect(count != 0 && next > frame.payload && next <= frame.payload + uint32_t{claim.segment_bytes});
      const size_t mark = memory().mark();
      Pieces segment(input, next);
      segmenter.write(segment.cursor());
      std::span<uint8_t> made = copy_room.first(next);
      segment.cursor().read(made.data(), next);
      memory().release(mark);
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
