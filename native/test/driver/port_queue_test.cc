// SPDX-License-Identifier: Apache-2.0
// PortQueue: where each buffer is at any time, and what is counted when a frame cannot be sent.
#include "driver/port_queue.h"

#include <sys/eventfd.h>

#include "test/engines/wires.h"

namespace usvhost::test {
namespace {

Packet take(Wires& wires, uint32_t length = 60) {
  uint32_t buffer = 0;
  REQUIRE(wires.pool().take(&buffer, 1) == 1);
  memset(wires.pool().payload(buffer), 7, length);
  return {buffer, length};
}

TEST_CASE("without a link nothing is sent or received, and no buffer is lost") {
  Wires wires;
  wires.port().set_down();
  uint32_t before = wires.pool().available();
  Packet packets[3] = {take(wires), take(wires), take(wires)};
  CHECK(wires.port().transmit(packets, 3) == 0);
  wires.port().transmit_or_drop(packets, 3);
  CHECK(wires.port().counters().tx_drop_down == 3);
  CHECK(wires.pool().available() == before);
  Packet out[4];
  REQUIRE(wires.arrive(Wires::Frame(60)));
  CHECK(wires.port().receive(out, 4) == 0);
  CHECK_FALSE(wires.port().pending());
}

TEST_CASE("receive rings of every size are full from the start and are filled again") {
  for (uint16_t size : {uint16_t{2}, uint16_t{4}, uint16_t{16}, uint16_t{32}, uint16_t{64}, uint16_t{256}}) {
    CAPTURE(size);
    Wires wires(1, 600, size);
    CHECK(wires.receive().available() == size);
    CHECK(wires.pool().available() == 600u - size);
    Packet out[32];
    for (int i = 0; i < 1000; i++) {
      if (i % 3 == 0) REQUIRE(wires.arrive(Wires::Frame(60)));
      uint32_t count = wires.port().receive(out, 32);
      for (uint32_t k = 0; k < count; k++) wires.pool().give(out[k].buffer);
    }
    CHECK(wires.port().counters().rx_packets == 334);
    CHECK(wires.port().counters().rx_bytes == 334 * 60);
    CHECK_FALSE(wires.port().broken());
  }
}

TEST_CASE("a transmit ring that is full: the rest stays the caller's, or is dropped and counted") {
  Wires wires;
  std::vector<Packet> packets;
  for (int i = 0; i < 70; i++) packets.push_back(take(wires));
  CHECK(wires.port().transmit(packets.data(), 70) == 64);
  CHECK(wires.port().transmit(packets.data() + 64, 6) == 0);
  uint32_t before = wires.pool().available();
  wires.port().transmit_or_drop(packets.data() + 64, 6);
  CHECK(wires.port().counters().tx_drop_full == 6);
  CHECK(wires.pool().available() == before + 6);
  CHECK(wires.sent().size() == 64);
  wires.port().reclaim();
  CHECK(wires.pool().available() == 400 - Wires::kSize);
}

TEST_CASE("an empty pool leaves the receive ring short, and it recovers") {
  Wires wires(1, Wires::kSize + 4);
  std::vector<uint32_t> held(4);
  REQUIRE(wires.pool().take(held.data(), 4) == 4);
  Packet out[64];
  for (int i = 0; i < 64; i++) REQUIRE(wires.arrive(Wires::Frame(60)));
  CHECK_FALSE(wires.arrive(Wires::Frame(60)));
  REQUIRE(wires.port().receive(out, 64) == 64);
  CHECK(wires.receive().available() == 0);
  for (const Packet& packet : out) wires.pool().give(packet.buffer);
  CHECK(wires.port().receive(out, 64) == 0);
  CHECK(wires.receive().available() == 64);
}

TEST_CASE("kicks are sent when they are wanted, once a burst") {
  Wires wires;
  int kick = wires.port().transmit_queue().kick_fd;
  uint64_t kicks = 0;
  [[maybe_unused]] ssize_t drained = read(kick, &kicks, sizeof kicks);
  Packet packets[2] = {take(wires), take(wires)};
  REQUIRE(wires.port().transmit(packets, 2) == 2);
  REQUIRE(read(kick, &kicks, sizeof kicks) == sizeof kicks);
  CHECK(kicks == 1);
  wires.transmit().refuse_kicks();
  packets[0] = take(wires);
  REQUIRE(wires.port().transmit(packets, 1) == 1);
  CHECK(read(kick, &kicks, sizeof kicks) == -1);
}

TEST_CASE("arm() asks for calls and pending() sees what came before it") {
  Wires wires;
  CHECK_FALSE(wires.receive().call_wanted());
  wires.port().arm();
  CHECK(wires.receive().call_wanted());
  CHECK_FALSE(wires.port().pending());
  REQUIRE(wires.arrive(Wires::Frame(60)));
  CHECK(wires.port().pending());
  wires.port().disarm();
  CHECK_FALSE(wires.receive().call_wanted());
}

TEST_CASE("a new connection takes every buffer back, whatever the old one had left in the rings") {
  Wires wires;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 10; i++) {
      Packet packet = take(wires);
      REQUIRE(wires.port().transmit(&packet, 1) == 1);
    }
    if (round % 2 == 0) wires.sent();
    REQUIRE(wires.arrive(Wires::Frame(60)));
    wires.port().set_down();
    wires.connect(0);
    CHECK(wires.receive().available() == Wires::kSize);
    CHECK(wires.pool().available() == 400 - Wires::kSize);
  }
  CHECK(wires.port().counters().tx_lost == 100);
}

}  // namespace
}  // namespace usvhost::test
