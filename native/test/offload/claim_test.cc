// SPDX-License-Identifier: Apache-2.0
// read_claim: a table of what a header may say, and a model for all the rest. write_claim tells what was read, no more.
#include "offload/claim.h"

#include <doctest/doctest.h>

#include "test/offload/tcp_shapes.h"

namespace usvhost::test {
namespace {

constexpr Offloads kNothing{};
constexpr Offloads kSums{true};
constexpr Offloads kFour{true, true};

virtio_net_hdr header(uint8_t flags, uint8_t type, uint16_t size, uint16_t start, uint16_t offset, uint16_t bytes = 0) {
  virtio_net_hdr made{};
  made.flags = flags;
  made.gso_type = type;
  made.gso_size = size;
  made.csum_start = start;
  made.csum_offset = offset;
  made.hdr_len = bytes;
  return made;
}

TEST_CASE("what a header may say") {
  struct Case {
    const char* what;
    virtio_net_hdr header;
    Offloads sender;
    ClaimError error;
    Undone undone = Undone::kNothing;
  };
  using E = ClaimError;
  using U = Undone;
  constexpr uint32_t kLength = 1000;
  for (const Case& one : std::initializer_list<Case>{
           {"nothing", {}, kNothing, E::kNone},
           {"nothing, the rest is noise", header(0, 0, 9, 0xffff, 0xffff, 0xffff), kAllOffloads, E::kNone},
           {"data valid is not a pod's to say", header(2, 0, 0, 0, 0), kAllOffloads, E::kNone},
           {"flags that nobody knows", header(0xfe, 0, 0, 0xffff, 0), kAllOffloads, E::kNone},
           {"a sum", header(1, 0, 0, 34, 6), kSums, E::kNone, U::kChecksum},
           {"a sum and other flags", header(0xff, 0, 0, 34, 6), kSums, E::kNone, U::kChecksum},
           {"a sum, not negotiated", header(1, 0, 0, 34, 6), kNothing, E::kNotNegotiated},
           {"a sum that starts behind the frame", header(1, 0, 0, 0xffff, 0), kSums, E::kChecksumRange},
           {"a sum that starts at its end", header(1, 0, 0, 1000, 0), kSums, E::kChecksumRange},
           {"a sum of its last byte", header(1, 0, 0, 999, 0), kSums, E::kChecksumRange},
           {"a sum of its last two bytes", header(1, 0, 0, 998, 0), kSums, E::kNone, U::kChecksum},
           {"an offset that wraps 16 bits", header(1, 0, 0, 34, 0xffff), kSums, E::kChecksumRange},
           {"both that wrap", header(1, 0, 0, 0xffff, 0xffff), kSums, E::kChecksumRange},
           {"an offset one too far", header(1, 0, 0, 34, 965), kSums, E::kChecksumRange},
           {"the last offset", header(1, 0, 0, 34, 964), kSums, E::kNone, U::kChecksum},
           {"a sum over the addresses", header(1, 0, 0, 0, 0), kSums, E::kChecksumRange},
           {"a sum into the source address", header(1, 0, 0, 6, 4), kSums, E::kChecksumRange},
           {"a sum from the type on", header(1, 0, 0, 13, 40), kSums, E::kChecksumRange},
           {"a sum from behind the type on", header(1, 0, 0, 14, 0), kSums, E::kNone, U::kChecksum},
           {"TCP over IPv4", header(1, 1, 100, 34, 16, 54), kFour, E::kNone, U::kTcp4},
           {"TCP over IPv6", header(1, 4, 100, 54, 16, 74), kAllOffloads, E::kNone, U::kTcp6},
           {"TCP over IPv4 with CWR", header(1, 0x81, 100, 34, 16), kAllOffloads, E::kNone, U::kTcp4},
           {"the longest header", header(1, 1, 100, 34, 16, 1000), kFour, E::kNone, U::kTcp4},
           {"a header longer than the frame", header(1, 1, 100, 34, 16, 1001), kFour, E::kHeaderLength},
           {"segments, not negotiated", header(1, 1, 100, 34, 16), kSums, E::kNotNegotiated},
           {"segments, nothing negotiated", header(1, 1, 100, 34, 16), kNothing, E::kNotNegotiated},
           {"segments over IPv6, not negotiated", header(1, 4, 100, 54, 16), kFour, E::kNotNegotiated},
           {"CWR, not negotiated", header(1, 0x81, 100, 34, 16), kFour, E::kNotNegotiated},
           {"segments of nothing", header(1, 1, 0, 34, 16), kFour, E::kGsoSize},
           {"segments without a sum", header(0, 1, 100, 34, 16), kFour, E::kChecksumRange},
           {"segments with a sum outside", header(1, 1, 100, 0xffff, 16), kFour, E::kChecksumRange},
           {"UDP fragments", header(1, 3, 100, 34, 6), kAllOffloads, E::kGsoKind},
           {"UDP segments", header(1, 5, 100, 34, 6), kAllOffloads, E::kGsoKind},
           {"an unknown kind", header(1, 2, 100, 34, 16), kAllOffloads, E::kGsoKind},
           {"the ECN bit alone", header(1, 0x80, 100, 34, 16), kAllOffloads, E::kGsoKind},
           {"all bits", header(1, 0xff, 100, 34, 16), kAllOffloads, E::kGsoKind},
       }) {
    CAPTURE(one.what);
    Claim claim;
    CHECK(read_claim(one.header, one.sender, kLength, claim) == one.error);
    if (one.error == E::kNone) CHECK(claim.undone == one.undone);
    if (one.error != E::kNone) CHECK(claim.undone == Undone::kNothing);
    CHECK(std::string(describe(one.error)) != "unknown");
  }
}

TEST_CASE("any header at all: what is accepted lies inside the frame and was negotiated") {
  std::mt19937 random(17);
  int accepted = 0;
  for (int round = 0; round < 400'000; round++) {
    virtio_net_hdr any{};
    auto small = [&] { return static_cast<uint16_t>(random() % (random() % 3 == 0 ? 0x10000 : 120)); };
    any.flags = static_cast<uint8_t>(random() % 4 == 0 ? random() : 1);
    any.gso_type = static_cast<uint8_t>(random() % 4 == 0 ? random() : random() % 6 | (random() % 2 << 7));
    any.gso_size = small();
    any.hdr_len = small();
    any.csum_start = small();
    any.csum_offset = small();
    uint64_t features = (uint64_t{random()} << 32 | random()) | (random() % 2);
    Offloads sender = sender_offloads(features);
    uint32_t length = kEthernetBytes + static_cast<uint32_t>(random() % 2 == 0 ? random() % 200 : random() % 70'000);
    Claim claim;
    if (read_claim(any, sender, length, claim) != ClaimError::kNone || claim.undone == Undone::kNothing) continue;
    accepted++;
    REQUIRE((features & 1) != 0);
    REQUIRE(claim.checksum_start >= kEthernetBytes);
    REQUIRE(claim.checksum_at >= claim.checksum_start);
    REQUIRE(claim.checksum_at + 2u <= length);
    if (claim.undone == Undone::kTcp4) REQUIRE((features & feature_bit(VIRTIO_NET_F_HOST_TSO4)) != 0);
    if (claim.undone == Undone::kTcp6) REQUIRE((features & feature_bit(VIRTIO_NET_F_HOST_TSO6)) != 0);
    REQUIRE(claim.segments() == (claim.segment_bytes != 0));
  }
  CHECK(accepted > 10'000);
}

TEST_CASE("bits without those that they need are nothing") {
  auto bits = [](std::initializer_list<unsigned> list) {
    uint64_t all = 0;
    for (unsigned bit : list) all |= feature_bit(bit);
    return all;
  };
  CHECK(sender_offloads(0) == Offloads{});
  CHECK(sender_offloads(UINT64_MAX) == kAllOffloads);
  CHECK(sender_offloads(bits({VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN})) == Offloads{});
  CHECK(sender_offloads(bits({VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_ECN})) == kSums);
  CHECK(sender_offloads(bits({VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4})) == kFour);
  CHECK(sender_offloads(bits({VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4})) == Offloads{});
  CHECK(receiver_offloads(bits({VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4})) == kFour);
  CHECK(receiver_offloads(bits({VIRTIO_NET_F_GUEST_TSO4})) == Offloads{});
  CHECK(receiver_offloads(bits({VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4})) == Offloads{});
}

TEST_CASE("who takes what") {
  auto claim = [](Undone undone, bool ecn = false) {
    Claim made;
    made.undone = undone;
    made.ecn = ecn;
    return made;
  };
  CHECK(takes(kNothing, claim(Undone::kNothing)));
  CHECK_FALSE(takes(kNothing, claim(Undone::kChecksum)));
  CHECK(takes(kSums, claim(Undone::kChecksum)));
  CHECK_FALSE(takes(kSums, claim(Undone::kTcp4)));
  CHECK(takes(kFour, claim(Undone::kTcp4)));
  CHECK_FALSE(takes(kFour, claim(Undone::kTcp4, true)));
  CHECK_FALSE(takes(kFour, claim(Undone::kTcp6)));
  CHECK(takes(kAllOffloads, claim(Undone::kTcp4, true)));
  CHECK(takes(kAllOffloads, claim(Undone::kTcp6, true)));
}

TEST_CASE("the header for the receiver is what was read, without anything else of the sender's") {
  Claim claim;
  virtio_net_hdr noisy = header(0xff, 0x81, 1400, 34, 16, 999);
  REQUIRE(read_claim(noisy, kAllOffloads, 3000, claim) == ClaimError::kNone);
  claim.header_bytes = 66;
  claim.ecn = false;
  virtio_net_hdr_mrg_rxbuf made = write_claim(claim, 3);
  CHECK(made.hdr.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM);
  CHECK(made.hdr.gso_type == VIRTIO_NET_HDR_GSO_TCPV4);
  CHECK(made.hdr.gso_size == 1400);
  CHECK(made.hdr.hdr_len == 66);
  CHECK(made.hdr.csum_start == 34);
  CHECK(made.hdr.csum_offset == 16);
  CHECK(made.num_buffers == 3);
  REQUIRE(read_claim(header(1, 0, 77, 34, 6, 88), kSums, 3000, claim) == ClaimError::kNone);
  made = write_claim(claim, 1);
  CHECK(made.hdr.gso_type == 0);
  CHECK(made.hdr.gso_size == 0);
  CHECK(made.hdr.hdr_len == 0);
  CHECK(made.hdr.csum_offset == 6);
  made = write_claim({}, 1);
  CHECK(made.hdr.flags == 0);
  CHECK(made.hdr.csum_start == 0);
}

}  // namespace
}  // namespace usvhost::test
