// SPDX-License-Identifier: Apache-2.0
#include "engines/frames.h"

#include <algorithm>

namespace usvhost {

namespace {

constexpr uint16_t kArp = 0x0806;
constexpr uint16_t kIpv4 = 0x0800;
constexpr uint32_t kArpBytes = 28;
constexpr uint32_t kMinFrame = 60;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kEchoReply = 0;
constexpr uint8_t kEchoRequest = 8;
constexpr uint8_t kEthernetIpv4Arp[] = {0, 1, 8, 0, 6, 4};

// Offsets within an ARP packet.
constexpr uint32_t kArpOperation = 6, kArpSenderMac = 8, kArpSenderIp = 14, kArpTargetMac = 18, kArpTargetIp = 24;

Ipv4Address load_ip(const uint8_t* from) {
  Ipv4Address ip;
  memcpy(&ip, from, sizeof ip);
  return ip;
}
void store_ip(uint8_t* to, Ipv4Address ip) { memcpy(to, &ip, sizeof ip); }

/** Header length and total length of an IPv4 packet that fits the frame, else false. */
bool parse_ipv4(const uint8_t* frame, uint32_t length, uint32_t& header, uint32_t& total) {
  if (length < kEthernetBytes + 20 || load_be16(frame + 12) != kIpv4) return false;
  const uint8_t* ip = frame + kEthernetBytes;
  header = (ip[0] & 0xfu) * 4;
  total = load_be16(ip + 2);
  return ip[0] >> 4 == 4 && header >= 20 && total >= header && kEthernetBytes + total <= length;
}

bool answer_arp(uint8_t* frame, uint32_t length, MacAddress mac, Ipv4Address ip) {
  if (length < kEthernetBytes + kArpBytes) return false;
  uint8_t* arp = frame + kEthernetBytes;
  if (memcmp(arp, kEthernetIpv4Arp, sizeof kEthernetIpv4Arp) != 0 || load_be16(arp + kArpOperation) != 1) return false;
  if (load_ip(arp + kArpTargetIp) != ip) return false;
  MacAddress asker = load_mac(arp + kArpSenderMac);
  Ipv4Address asker_ip = load_ip(arp + kArpSenderIp);
  store_be16(arp + kArpOperation, 2);
  store_mac(arp + kArpTargetMac, asker);
  store_ip(arp + kArpTargetIp, asker_ip);
  store_mac(arp + kArpSenderMac, mac);
  store_ip(arp + kArpSenderIp, ip);
  store_mac(frame, asker);
  store_mac(frame + 6, mac);
  return true;
}

bool answer_echo(uint8_t* frame, uint32_t length, MacAddress mac, Ipv4Address ip) {
  uint32_t header, total;
  if (!parse_ipv4(frame, length, header, total)) return false;
  uint8_t* packet = frame + kEthernetBytes;
  // Fragments are left alone: only the first one has an ICMP header.
  if (packet[9] != kIcmp || load_ip(packet + 16) != ip || (load_be16(packet + 6) & 0x3fff) != 0) return false;
  uint8_t* icmp = packet + header;
  if (total - header < 8 || icmp[0] != kEchoRequest || icmp[1] != 0) return false;
  store_ip(packet + 16, load_ip(packet + 12));
  store_ip(packet + 12, ip);
  packet[8] = 64;
  store_be16(packet + 10, 0);
  store_be16(packet + 10, internet_checksum(packet, header));
  icmp[0] = kEchoReply;
  store_be16(icmp + 2, 0);
  store_be16(icmp + 2, internet_checksum(icmp, total - header));
  memcpy(frame, frame + 6, 6);
  store_mac(frame + 6, mac);
  return true;
}

/** Folds all bytes of the number into one: a single flipped bit of it changes every byte that follows. */
uint32_t payload_seed(uint64_t sequence) {
  sequence ^= sequence >> 32;
  sequence ^= sequence >> 16;
  sequence ^= sequence >> 8;
  return static_cast<uint32_t>(sequence & 0xff) * 31;
}

}  // namespace

uint16_t internet_checksum(const uint8_t* data, uint32_t length) {
  uint32_t sum = 0;
  for (; length > 1; length -= 2, data += 2) sum += load_be16(data);
  if (length == 1) sum += static_cast<uint32_t>(data[0]) << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

bool answer_in_place(uint8_t* frame, uint32_t length, MacAddress mac, Ipv4Address ip) {
  if (length < kEthernetBytes) return false;
  switch (load_be16(frame + 12)) {
    case kArp: return answer_arp(frame, length, mac, ip);
    case kIpv4: return answer_echo(frame, length, mac, ip);
    default: return false;
  }
}

uint32_t build_arp_request(uint8_t* frame, MacAddress mac, Ipv4Address from, Ipv4Address to) {
  memset(frame, 0, kMinFrame);
  memset(frame, 0xff, 6);
  store_mac(frame + 6, mac);
  store_be16(frame + 12, kArp);
  uint8_t* arp = frame + kEthernetBytes;
  memcpy(arp, kEthernetIpv4Arp, sizeof kEthernetIpv4Arp);
  store_be16(arp + kArpOperation, 1);
  store_mac(arp + kArpSenderMac, mac);
  store_ip(arp + kArpSenderIp, from);
  store_ip(arp + kArpTargetIp, to);
  return kMinFrame;
}

MacAddress parse_arp_reply(const uint8_t* frame, uint32_t length, Ipv4Address ip) {
  if (length < kEthernetBytes + kArpBytes || load_be16(frame + 12) != kArp) return 0;
  const uint8_t* arp = frame + kEthernetBytes;
  if (memcmp(arp, kEthernetIpv4Arp, sizeof kEthernetIpv4Arp) != 0 || load_be16(arp + kArpOperation) != 2) return 0;
  return load_ip(arp + kArpSenderIp) == ip ? load_mac(arp + kArpSenderMac) : 0;
}

uint32_t build_echo_request(uint8_t* frame, const EchoRequest& echo) {
  uint16_t total = static_cast<uint16_t>(20 + 8 + echo.payload_bytes);
  store_mac(frame, echo.destination_mac);
  store_mac(frame + 6, echo.source_mac);
  store_be16(frame + 12, kIpv4);
  uint8_t* packet = frame + kEthernetBytes;
  memset(packet, 0, 20);
  packet[0] = 0x45;
  store_be16(packet + 2, total);
  store_be16(packet + 6, 0x4000);
  packet[8] = 64;
  packet[9] = kIcmp;
  store_ip(packet + 12, echo.source);
  store_ip(packet + 16, echo.destination);
  store_be16(packet + 10, internet_checksum(packet, 20));
  uint8_t* icmp = packet + 20;
  icmp[0] = kEchoRequest;
  icmp[1] = 0;
  store_be16(icmp + 2, 0);
  store_be16(icmp + 4, echo.id);
  store_be16(icmp + 6, echo.sequence);
  for (uint16_t i = 0; i < echo.payload_bytes; i++) icmp[8 + i] = static_cast<uint8_t>(i);
  store_be16(icmp + 2, internet_checksum(icmp, 8u + echo.payload_bytes));
  uint32_t length = kEthernetBytes + total;
  if (length >= kMinFrame) return length;
  memset(frame + length, 0, kMinFrame - length);
  return kMinFrame;
}

bool parse_echo_reply(const uint8_t* frame, uint32_t length, uint16_t id, uint16_t& sequence) {
  uint32_t header, total;
  if (!parse_ipv4(frame, length, header, total)) return false;
  const uint8_t* packet = frame + kEthernetBytes;
  const uint8_t* icmp = packet + header;
  if (packet[9] != kIcmp || total - header < 8 || icmp[0] != kEchoReply || load_be16(icmp + 4) != id) return false;
  if (internet_checksum(icmp, total - header) != 0) return false;
  sequence = load_be16(icmp + 6);
  return true;
}

void fill_test_payload(uint8_t* frame, uint32_t length, uint64_t sequence) {
  store_be16(frame + 12, kTestEtherType);
  memcpy(frame + kEthernetBytes, &sequence, sizeof sequence);
  uint32_t seed = payload_seed(sequence);
  for (uint32_t i = kTestHeaderBytes; i < length; i++) frame[i] = static_cast<uint8_t>(seed + i * 7 + (i >> 8));
}

bool check_test_payload(const uint8_t* frame, uint32_t length, uint64_t& sequence) {
  if (length < kTestHeaderBytes || load_be16(frame + 12) != kTestEtherType) return false;
  memcpy(&sequence, frame + kEthernetBytes, sizeof sequence);
  uint32_t seed = payload_seed(sequence);
  for (uint32_t i = kTestHeaderBytes; i < length; i++) {
    if (frame[i] != static_cast<uint8_t>(seed + i * 7 + (i >> 8))) return false;
  }
  return true;
}

}  // namespace usvhost
