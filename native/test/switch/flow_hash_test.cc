// SPDX-License-Identifier: Apache-2.0
// flow_hash: what makes a flow, what does not, and frames that end early.
#include "switch/flow_hash.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace usvhost::test {
namespace {

using Bytes = std::vector<uint8_t>;

uint32_t hash(const Bytes& bytes) {
  uint32_t length = bytes.size() < kFlowBytes ? static_cast<uint32_t>(bytes.size()) : kFlowBytes;
  // On the heap and no longer than said, so that a sanitizer sees a read beyond.
  auto copy = std::make_unique<uint8_t[]>(length);
  std::copy_n(bytes.begin(), length, copy.get());
  return flow_hash(copy.get(), length);
}

/** An Ethernet header, tagged if wanted, before `packet`. */
Bytes ethernet(uint16_t type, const Bytes& packet, bool tagged = false) {
  const uint8_t addresses[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  const uint8_t tag[] = {0x81, 0x00, 0x00, 0x05};
  size_t at = sizeof addresses + (tagged ? sizeof tag : 0);
  Bytes bytes(at + 2 + packet.size());
  std::copy_n(addresses, sizeof addresses, bytes.begin());
  if (tagged) std::copy_n(tag, sizeof tag, bytes.begin() + sizeof addresses);
  bytes[at] = static_cast<uint8_t>(type >> 8);
  bytes[at + 1] = static_cast<uint8_t>(type);
  std::copy(packet.begin(), packet.end(), bytes.begin() + static_cast<ptrdiff_t>(at) + 2);
  return bytes;
}

Bytes ipv4(uint8_t source, uint8_t protocol, uint8_t port, uint16_t fragment = 0, uint8_t words = 5) {
  Bytes packet(words * 4u + 16);
  packet[0] = static_cast<uint8_t>(0x40 | words);
  packet[6] = static_cast<uint8_t>(fragment >> 8);
  packet[7] = static_cast<uint8_t>(fragment);
  packet[9] = protocol;
  packet[15] = source;
  packet[words * 4u + 1] = port;
  packet[words * 4u + 8] = 0x55;  // payload
  return packet;
}

Bytes ipv6(uint8_t source, uint8_t protocol, uint8_t port) {
  Bytes packet(40 + 16);
  packet[0] = 0x60;
  packet[6] = protocol;
  packet[23] = source;
  packet[41] = port;
  return packet;
}

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17;

TEST_CASE("addresses, protocol and ports make a flow; nothing else does") {
  Bytes one = ethernet(0x0800, ipv4(1, kTcp, 80));
  Bytes same = one;
  same[1] = 9;               // another MAC address
  same[18] = 0x77;           // identification
  same[14 + 20 + 9] = 0x66;  // payload
  CHECK(hash(one) == hash(same));
  CHECK(hash(one) != hash(ethernet(0x0800, ipv4(2, kTcp, 80))));
  CHECK(hash(one) != hash(ethernet(0x0800, ipv4(1, kTcp, 81))));
  CHECK(hash(one) != hash(ethernet(0x0800, ipv4(1, kUdp, 80))));
  CHECK(hash(ethernet(0x86dd, ipv6(1, kUdp, 1))) != hash(ethernet(0x86dd, ipv6(1, kUdp, 2))));
  CHECK(hash(ethernet(0x86dd, ipv6(1, kUdp, 1))) != hash(ethernet(0x86dd, ipv6(2, kUdp, 1))));
  CHECK(hash(ethernet(0x0800, ipv4(1, kTcp, 80), true)) == hash(one));   // tagged
  CHECK(hash(ethernet(0x0800, ipv4(1, kTcp, 80, 0, 15))) == hash(one));  // with all options that there can be
}

TEST_CASE("fragments of a packet are one flow, as are echo requests of a pair") {
  uint32_t first = hash(ethernet(0x0800, ipv4(1, kUdp, 80, 0x2000)));
  CHECK(first == hash(ethernet(0x0800, ipv4(1, kUdp, 0x12, 0x2010))));
  CHECK(first == hash(ethernet(0x0800, ipv4(1, kUdp, 0x34, 0x0020))));
  CHECK(hash(ethernet(0x0800, ipv4(1, kUdp, 80, 0x4000))) == hash(ethernet(0x0800, ipv4(1, kUdp, 80))));  // "do not"
  CHECK(hash(ethernet(0x0800, ipv4(1, kIcmp, 1))) == hash(ethernet(0x0800, ipv4(1, kIcmp, 2))));
}

TEST_CASE("anything else by its MAC addresses") {
  Bytes one = ethernet(0x88b5, Bytes(46, 1)), other = ethernet(0x88b5, Bytes(46, 2));
  CHECK(hash(one) == hash(other));
  other[5] = 77;
  CHECK(hash(one) != hash(other));
  Bytes wrong = ethernet(0x0800, ipv4(1, kTcp, 80));
  wrong[14] = 0x65;  // not what the type says
  CHECK(hash(wrong) == hash(one));
}

TEST_CASE("a frame may end anywhere") {
  for (const Bytes& whole : {ethernet(0x0800, ipv4(1, kTcp, 80, 0, 15)), ethernet(0x0800, ipv4(1, kTcp, 80), true),
                             ethernet(0x86dd, ipv6(1, kUdp, 5)), Bytes(100, 0xff), Bytes(100, 0x81)}) {
    for (size_t length = 0; length <= whole.size(); length++) hash(Bytes(whole.begin(), whole.begin() + length));
  }
  Bytes claims = ethernet(0x0800, ipv4(1, kTcp, 80));
  for (uint8_t words = 0; words < 16; words++) {
    claims[14] = static_cast<uint8_t>(0x40 | words);
    hash(claims);
  }
}

TEST_CASE("256 flows spread over eight queues") {
  std::vector<int> counts(8);
  for (int port = 0; port < 256; port++)
    counts[hash(ethernet(0x0800, ipv4(1, kTcp, static_cast<uint8_t>(port)))) % 8]++;
  for (int count : counts) {
    CHECK(count > 12);
    CHECK(count < 64);
  }
}

}  // namespace
}  // namespace usvhost::test
