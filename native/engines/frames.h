// SPDX-License-Identifier: Apache-2.0
// The few frame formats that engines read and write: Ethernet, ARP (RFC 826), IPv4 (RFC 791) with ICMP echo (RFC 792),
// and the project's own test frames. Lengths are checked before any field is read.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/wire.h"
#include "switch/mac_table.h"

namespace usvhost {

/** IEEE 802 local experimental ethertype 1: what our test frames carry. */
inline constexpr uint16_t kTestEtherType = 0x88b5;

inline void store_mac(uint8_t* to, MacAddress mac) { std::memcpy(to, &mac, 6); }
inline MacAddress load_mac(const uint8_t* from) {
  MacAddress mac = 0;
  std::memcpy(&mac, from, 6);
  return mac;
}

/** RFC 1071, folded and complemented. */
uint16_t internet_checksum(const uint8_t* data, uint32_t length);

/** An IPv4 address as its four bytes stand on the wire, first byte lowest. */
using Ipv4Address = uint32_t;

/** Turns an ARP request for `ip` or an ICMP echo request to it into its answer, in place. Returns false when it is neither. */
bool answer_in_place(uint8_t* frame, uint32_t length, MacAddress mac, Ipv4Address ip);

/** Builds an ARP request; returns its length (60, padded). */
uint32_t build_arp_request(uint8_t* frame, MacAddress mac, Ipv4Address from, Ipv4Address to);
/** The sender's MAC when the frame is an ARP reply from `ip`, else 0. */
MacAddress parse_arp_reply(const uint8_t* frame, uint32_t length, Ipv4Address ip);

struct EchoRequest {
  MacAddress source_mac, destination_mac;
  Ipv4Address source, destination;
  uint16_t id, sequence;
  uint16_t payload_bytes;
};
/** Builds an ICMP echo request; returns its length. */
uint32_t build_echo_request(uint8_t* frame, const EchoRequest& echo);
/** True when the frame is an echo reply with this id; `sequence` is then set. */
bool parse_echo_reply(const uint8_t* frame, uint32_t length, uint16_t id, uint16_t& sequence);

/**
 * Test frames: Ethernet header, ethertype 0x88b5, a sequence number of 8 bytes, then bytes that follow from sequence and
 * position. The smallest has 60 bytes.
 */
inline constexpr uint32_t kTestHeaderBytes = kEthernetBytes + 8;
void fill_test_payload(uint8_t* frame, uint32_t length, uint64_t sequence);
/** Compares every byte; `sequence` is set from the frame. */
bool check_test_payload(const uint8_t* frame, uint32_t length, uint64_t& sequence);

}  // namespace usvhost
