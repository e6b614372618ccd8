// SPDX-License-Identifier: Apache-2.0
// Frame formats: answers that are right to the checksum, and frames cut short at every byte.
#include "engines/frames.h"

#include "test/support.h"

namespace usvhost::test {
namespace {

constexpr Ipv4Address kHere = 0x0200000a, kThere = 0x0100000a;  // 10.0.0.2 and 10.0.0.1

std::vector<uint8_t> arp_request() {
  std::vector<uint8_t> frame(60);
  REQUIRE(build_arp_request(frame.data(), mac(1), kThere, kHere) == 60);
  return frame;
}
std::vector<uint8_t> echo_request(uint16_t payload = 56) {
  std::vector<uint8_t> frame(2048);
  frame.resize(build_echo_request(frame.data(), {mac(1), mac(2), kThere, kHere, 77, 5, payload}));
  return frame;
}
bool answers(std::vector<uint8_t>& frame, size_t length) {
  return answer_in_place(frame.data(), static_cast<uint32_t>(length), mac(2), kHere);
}
bool answers(std::vector<uint8_t>& frame) { return answers(frame, frame.size()); }

TEST_CASE("checksum: the example of RFC 1071, odd lengths, and its own inverse") {
  const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK(internet_checksum(example, 8) == static_cast<uint16_t>(~0xddf2));
  CHECK(internet_checksum(example, 0) == 0xffff);
  const uint8_t odd[] = {0x12, 0x34, 0x56};
  CHECK(internet_checksum(odd, 3) == static_cast<uint16_t>(~(0x1234 + 0x5600)));
  std::vector<uint8_t> ones(65534, 0xff);
  CHECK(internet_checksum(ones.data(), 65534) == 0);
  // A header as it stands in many textbooks, its checksum b861.
  const uint8_t header[] = {0x45, 0,    0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
                            0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7};
  CHECK(internet_checksum(header, 20) == 0);
}

TEST_CASE("ARP: a request for us is answered to its asker") {
  std::vector<uint8_t> frame = arp_request();
  CHECK(load_mac(frame.data()) == kMacMask);
  REQUIRE(answers(frame));
  CHECK(load_mac(frame.data()) == mac(1));
  CHECK(load_mac(frame.data() + 6) == mac(2));
  CHECK(parse_arp_reply(frame.data(), 60, kHere) == mac(2));
  CHECK(parse_arp_reply(frame.data(), 60, kThere) == 0);
  CHECK_FALSE(answers(frame));  // an answer is not answered
}

TEST_CASE("ARP: what is no request for us") {
  for (size_t at : {size_t{12}, size_t{14}, size_t{15}, size_t{16}, size_t{18}, size_t{19}, size_t{21}, size_t{41}}) {
    CAPTURE(at);
    std::vector<uint8_t> frame = arp_request();
    frame[at] ^= 0x40;
    std::vector<uint8_t> before = frame;
    CHECK_FALSE(answers(frame));
    CHECK(frame == before);
    CHECK(parse_arp_reply(frame.data(), 60, kThere) == 0);
  }
}

TEST_CASE("ICMP: an echo request is answered with both checksums right, at every payload size") {
  for (uint16_t payload : {uint16_t{0}, uint16_t{1}, uint16_t{17}, uint16_t{18}, uint16_t{19}, uint16_t{56},
                           uint16_t{1473}, uint16_t{1472}}) {
    CAPTURE(payload);
    std::vector<uint8_t> frame = echo_request(payload);
    CHECK(frame.size() == std::max(60, 14 + 28 + payload));
    REQUIRE(answers(frame));
    CHECK(load_mac(frame.data()) == mac(1));
    CHECK(internet_checksum(frame.data() + 14, 20) == 0);
    CHECK(internet_checksum(frame.data() + 34, 8u + payload) == 0);
    uint16_t sequence = 0;
    REQUIRE(parse_echo_reply(frame.data(), static_cast<uint32_t>(frame.size()), 77, sequence));
    CHECK(sequence == 5);
    CHECK_FALSE(parse_echo_reply(frame.data(), static_cast<uint32_t>(frame.size()), 78, sequence));
    CHECK_FALSE(answers(frame));
  }
}

TEST_CASE("ICMP: what is no echo request for us") {
  struct Change {
    const char* name;
    size_t at;
    uint8_t value;
  };
  for (Change change :
       {Change{"IPv6", 14, 0x65}, Change{"header of 16 bytes", 14, 0x44}, Change{"header beyond the packet", 14, 0x4f},
        Change{"total below the header", 17, 19}, Change{"total beyond the frame", 16, 0xff},
        Change{"first fragment", 20, 0x20}, Change{"later fragment", 21, 1}, Change{"UDP", 23, 17},
        Change{"another address", 33, 9}, Change{"echo reply", 34, 0}, Change{"code 1", 35, 1}}) {
    CAPTURE(change.name);
    std::vector<uint8_t> frame = echo_request(0);
    frame[change.at] = change.value;
    std::vector<uint8_t> before = frame;
    CHECK_FALSE(answers(frame));
    CHECK(frame == before);
  }
}

TEST_CASE("frames that end early are no frames: nothing is read or written behind their end") {
  std::vector<uint8_t> reply = echo_request();
  REQUIRE(answers(reply));
  std::vector<uint8_t> arp_answer = arp_request();
  REQUIRE(answers(arp_answer));
  for (const auto& whole : {arp_request(), echo_request(), reply, arp_answer}) {
    for (size_t length = 0; length < whole.size(); length++) {
      // Exactly as long as it claims, so that a sanitizer sees one byte too many.
      std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<long>(length));
      uint16_t sequence;
      uint64_t number;
      bool arp = load_be16(whole.data() + 12) == 0x0806;
      bool enough = arp && length >= 42;  // the rest of a short Ethernet frame is padding
      auto size = static_cast<uint32_t>(length);
      if (!enough) CHECK(parse_arp_reply(cut.data(), size, kHere) == 0);
      CHECK_FALSE(parse_echo_reply(cut.data(), size, 77, sequence));
      CHECK_FALSE(check_test_payload(cut.data(), size, number));
      if (!enough) CHECK_FALSE(answers(cut));
    }
  }
}

TEST_CASE("an echo reply with a flipped bit is none") {
  std::vector<uint8_t> frame = echo_request();
  REQUIRE(answers(frame));
  uint16_t sequence;
  for (size_t at = 34; at < frame.size(); at++) {
    frame[at] ^= 1;
    CHECK_FALSE(parse_echo_reply(frame.data(), static_cast<uint32_t>(frame.size()), 77, sequence));
    frame[at] ^= 1;
  }
}

TEST_CASE("a test frame shows each single flipped bit behind its addresses") {
  for (uint32_t length : {60u, 61u, 1518u}) {
    for (uint64_t sequence : {uint64_t{0}, uint64_t{1}, uint64_t{255}, uint64_t{0x0123'4567'89ab'cdef}}) {
      std::vector<uint8_t> frame(length);
      fill_test_payload(frame.data(), length, sequence);
      uint64_t found = 0;
      REQUIRE(check_test_payload(frame.data(), length, found));
      CHECK(found == sequence);
      for (uint32_t bit = 12 * 8; bit < length * 8; bit++) {
        frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ 1 << bit % 8);
        bool noticed = !check_test_payload(frame.data(), length, found);
        CHECK_MESSAGE(noticed, "bit ", bit, " of ", length * 8);
        frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ 1 << bit % 8);
      }
    }
  }
}

}  // namespace
}  // namespace usvhost::test
