// SPDX-License-Identifier: Apache-2.0
// A running switch with an attacker on one port: that port ends, with its reason, and nobody else notices.
#include <fcntl.h>

#include "test/hostile_client.h"
#include "test/switch/canary.h"

namespace usvhost::test {
namespace {

constexpr uint16_t kRx = kReceiveQueue, kTx = kTransmitQueue;

bool ended_with(SwitchFixture& fixture, const std::string& code) {
  return eventually([&] { return fixture.in_state("evil", PortState::kListening); }) &&
         fixture.port("evil").last_error.find(code) == 0;
}

/** A frame to everybody, so that each receive ring of the switch is used. */
void broadcast(HostileClient& client, uint16_t slot) {
  uint8_t* bytes = client.transmit_frame(slot);
  memset(bytes, 0, 60);
  memset(bytes, 0xff, 6);
  bytes[6] = 0x02;
  bytes[7] = 0x77;
  client.post_transmit(slot, 60);
}

struct Attack {
  const char* name;
  void (*run)(HostileClient&);
};

const Attack kTransmitAttacks[] = {
    {"avail index jumps by queue size + 1", [](HostileClient& c) { c.rings[kTx].set_avail(HostileClient::kSize + 1); }},
    {"avail index jumps by 65535", [](HostileClient& c) { c.rings[kTx].set_avail(0xffff); }},
    {"head is the queue size", [](HostileClient& c) { c.rings[kTx].offer(HostileClient::kSize); }},
    {"head is 65535", [](HostileClient& c) { c.rings[kTx].offer(0xffff); }},
    {"a descriptor that follows itself",
     [](HostileClient& c) {
       c.rings[kTx].describe(0, c.address(HostileClient::kData), 64, VRING_DESC_F_NEXT, 0);
       c.rings[kTx].offer(0);
     }},
    {"next beyond the table",
     [](HostileClient& c) {
       c.rings[kTx].describe(0, c.address(HostileClient::kData), 64, VRING_DESC_F_NEXT, 0x7fff);
       c.rings[kTx].offer(0);
     }},
    {"a writable descriptor",
     [](HostileClient& c) {
       c.rings[kTx].describe(0, c.address(HostileClient::kData), 64, VRING_DESC_F_WRITE);
       c.rings[kTx].offer(0);
     }},
    {"an indirect descriptor",
     [](HostileClient& c) {
       c.rings[kTx].describe(0, c.address(HostileClient::kData), 16, VRING_DESC_F_INDIRECT);
       c.rings[kTx].offer(0);
     }},
    {"an address outside",
     [](HostileClient& c) {
       c.rings[kTx].describe(0, 0x1000, 64);
       c.rings[kTx].offer(0);
     }},
    {"one byte too far",
     [](HostileClient& c) {
       c.rings[kTx].describe(0, c.address(HostileClient::kBytes - 64), 65);
       c.rings[kTx].offer(0);
     }},
};

const Attack kReceiveAttacks[] = {
    {"avail index jumps", [](HostileClient& c) { c.rings[kRx].set_avail(0x8000); }},
    {"head beyond the table", [](HostileClient& c) { c.rings[kRx].offer(0x4000); }},
    {"a readable descriptor",
     [](HostileClient& c) {
       c.rings[kRx].describe(0, c.address(HostileClient::kData), 2048);
       c.rings[kRx].offer(0);
     }},
    {"one byte too far",
     [](HostileClient& c) {
       c.rings[kRx].describe(0, c.address(HostileClient::kBytes - 64), 65, VRING_DESC_F_WRITE);
       c.rings[kRx].offer(0);
     }},
    {"the switch's memory by luck",
     [](HostileClient& c) {
       c.rings[kRx].describe(0, 0x7fff'0000'0000, 2048, VRING_DESC_F_WRITE);
       c.rings[kRx].offer(0);
     }},
    {"a cycle",
     [](HostileClient& c) {
       c.rings[kRx].describe(0, c.address(HostileClient::kData), 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
       c.rings[kRx].describe(1, c.address(HostileClient::kData), 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 0);
       c.rings[kRx].offer(0);
     }},
};

TEST_CASE("a broken transmit ring ends its port alone; the port can be used again") {
  for (const Attack& attack : kTransmitAttacks) {
    CAPTURE(attack.name);
    SwitchFixture fixture;
    fixture.add_port("evil");
    Canary canary(fixture);
    HostileClient client(fixture.socket("evil"));
    REQUIRE(client.handshake());
    CHECK(fixture.in_state("evil", PortState::kUp));
    attack.run(client);
    client.kick(kTx);
    CHECK(client.closed());
    CHECK(ended_with(fixture, "USV_RING"));
    CHECK(fixture.told("evil", "USV_RING"));
    HostileClient again(fixture.socket("evil"));
    CHECK(again.handshake());
    CHECK(fixture.in_state("evil", PortState::kUp));
    CHECK(canary.unharmed());
  }
}

TEST_CASE("a broken receive ring ends its port alone") {
  for (const Attack& attack : kReceiveAttacks) {
    CAPTURE(attack.name);
    SwitchFixture fixture;
    fixture.add_port("evil");
    fixture.add_port("sender");
    Canary canary(fixture);
    HostileClient client(fixture.socket("evil"));
    HostileClient sender(fixture.socket("sender"));
    REQUIRE(client.handshake());
    REQUIRE(sender.handshake());
    attack.run(client);
    broadcast(sender, 0);
    CHECK(client.closed());
    CHECK(ended_with(fixture, "USV_RING"));
    CHECK(fixture.in_state("sender", PortState::kUp));
    CHECK(canary.unharmed());
  }
}

TEST_CASE("memory that is truncated under the traffic ends its port alone") {
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  for (int i = 0; i < 5; i++) {
    HostileClient client(fixture.socket("evil"));
    REQUIRE(client.handshake());
    broadcast(client, 0);
    REQUIRE(eventually([&] { return client.rings[kTx].used() == 1; }));
    // From here on this process must not touch the client's own mapping either.
    REQUIRE(ftruncate(client.file(), 0) == 0);
    client.kick(kTx);
    CHECK(client.closed());
    CHECK(ended_with(fixture, "USV_REGION"));
  }
  CHECK(canary.unharmed());
}

TEST_CASE("memory with holes is still memory") {
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  HostileClient client(fixture.socket("evil"));
  REQUIRE(client.handshake());
  broadcast(client, 0);
  REQUIRE(eventually([&] { return client.rings[kTx].used() == 1; }));
  REQUIRE(fallocate(client.file(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HostileClient::kBytes) == 0);
  client.kick(kTx);
  // The avail index went back from 1 to 0, which is a jump of 65535.
  CHECK(client.closed());
  CHECK(ended_with(fixture, "USV_RING"));
  CHECK(canary.unharmed());
}

TEST_CASE("a call descriptor that is full does not stop the data thread") {
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  HostileClient client(fixture.socket("evil"));
  client.calls[kTx].reset(eventfd(0, EFD_CLOEXEC));  // a blocking one
  uint64_t full = UINT64_MAX - 1;
  REQUIRE(write(client.calls[kTx].get(), &full, sizeof full) == sizeof full);
  client.rings[kTx].want_calls();
  REQUIRE(client.handshake());
  for (uint16_t i = 0; i < 10; i++) broadcast(client, i);
  CHECK(eventually([&] { return client.rings[kTx].used() == 10; }));
  CHECK(canary.unharmed());
}

TEST_CASE("a call or kick descriptor that is no eventfd is refused") {
  enum Kind { kPipe, kClosedPipe, kFile, kSocket };
  for (Kind kind : {kPipe, kClosedPipe, kFile, kSocket}) {
    for (bool is_kick : {false, true}) {
      CAPTURE(kind);
      CAPTURE(is_kick);
      SwitchFixture fixture;
      fixture.add_port("evil");
      HostileClient client(fixture.socket("evil"));
      client.rings[kTx].want_calls();
      int ends[2] = {-1, -1};
      if (kind == kFile) {
        ends[1] = memfd_create("call", MFD_CLOEXEC);
      } else {
        REQUIRE((kind == kSocket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) == 0);
      }
      Fd reader(ends[0]);
      (is_kick ? client.kicks : client.calls)[kTx].reset(ends[1]);
      if (kind == kClosedPipe) reader.reset();  // a write would raise SIGPIPE
      CHECK_FALSE(client.handshake());
      CHECK(client.closed());
      CHECK(ended_with(fixture, "USV_MESSAGE"));
    }
  }
}

TEST_CASE("half a message: the port is free again after the deadline, others connect meanwhile") {
  SwitchOptions options;
  options.handshake_millis = 100;
  SwitchFixture fixture(options);
  fixture.add_port("evil");
  fixture.add_port("silent");
  HostileClient half(fixture.socket("evil"));
  HostileClient silent(fixture.socket("silent"));
  std::vector<uint8_t> bytes = encode(Request::kGetFeatures, 0, nullptr, 0);
  REQUIRE(send_with_fds(half.socket(), bytes.data(), 7, {}) == 7);
  Canary canary(fixture);
  CHECK(half.closed());
  CHECK(silent.closed());
  CHECK(ended_with(fixture, "USV_HANDSHAKE"));
  HostileClient again(fixture.socket("evil"));
  CHECK(again.handshake());
  CHECK(canary.unharmed());
}

TEST_CASE("a second connection is closed, a thousand of them leave nothing, the first one goes on") {
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  HostileClient first(fixture.socket("evil"));
  REQUIRE(first.handshake());
  size_t before = open_descriptors();
  for (int i = 0; i < 1000; i++) {
    HostileClient second(fixture.socket("evil"));
    CHECK(second.closed());
  }
  CHECK(eventually([&] { return open_descriptors() == before; }));
  CHECK(fixture.port("evil").last_error.find("USV_PORT_BUSY") == 0);
  CHECK(fixture.port("evil").connections == 1);
  broadcast(first, 0);
  CHECK(eventually([&] { return first.rings[kTx].used() == 1; }));
  first.hang_up();
  REQUIRE(eventually([&] { return fixture.in_state("evil", PortState::kListening); }));
  HostileClient third(fixture.socket("evil"));
  CHECK(third.handshake());
  CHECK(canary.unharmed());
}

TEST_CASE("ten thousand messages with descriptors on a running port: the count stays, the port too") {
  SwitchFixture fixture;
  fixture.add_port("evil");
  Canary canary(fixture);
  HostileClient client(fixture.socket("evil"));
  REQUIRE(client.handshake());
  size_t before = open_descriptors();
  for (int i = 0; i < 10'000; i++) {
    REQUIRE(client.send_number(Request::kSetVringCall, i % kQueues, {client.calls[0].get()}));
  }
  REQUIRE(client.send(Request::kGetStatus));
  REQUIRE(client.receive().has_value());
  CHECK(open_descriptors() == before);
  CHECK(fixture.in_state("evil", PortState::kUp));
  CHECK(canary.unharmed());
}

TEST_CASE("one pod cycles hundreds of thousands of source addresses; the others keep theirs") {
  SwitchFixture fixture;
  fixture.add_port("evil", mac(0xee));
  Canary canary(fixture);
  HostileClient client(fixture.socket("evil"));
  REQUIRE(client.handshake());
  constexpr uint32_t kFrames = kSanitized ? 20'000 : 200'000;
  for (uint32_t i = 0; i < kFrames; i++) {
    auto slot = static_cast<uint16_t>(i % 16);
    if (i >= 16) REQUIRE(eventually([&] { return static_cast<uint16_t>(i - client.rings[kTx].used()) < 16; }));
    uint8_t* bytes = client.transmit_frame(slot);
    memset(bytes, 0, 60);
    MacAddress own = mac(0xee);
    MacAddress from = i % 64 == 0 ? mac(0xca) : 0x02 | uint64_t{i} << 16;  // now and then the canary's own address
    memcpy(bytes, &own, 6);                                                // to itself: nobody is flooded
    memcpy(bytes + 6, &from, 6);
    client.post_transmit(slot, 60);
  }
  CHECK(eventually([&] { return client.rings[kTx].used() == static_cast<uint16_t>(kFrames); }));
  CHECK(fixture.counter("evil", Counter::tx_drop_spoofed) == (kFrames + 63) / 64);
  CHECK(canary.unharmed());
}

}  // namespace
}  // namespace usvhost::test
