// SPDX-License-Identifier: Apache-2.0
// Bytes become what ports, clocks and the control side do to a network's address table. A model beside it says what must be
// found: a configured address stays, a live one is lost only to a configured one, quotas hold and come back whole.
#include "switch/mac_table.h"

#include <array>

#include "fuzz/input.h"

namespace usvhost::fuzz {
namespace {

constexpr uint16_t kPorts = 4;
constexpr uint32_t kEntries = 64;  // eight buckets
constexpr uint32_t kQuota = kEntries / 4;
constexpr uint32_t kAge = 300;
constexpr size_t kAddresses = 96;  // more than there are entries
constexpr int kSteps = 256;

using Learned = MacTable::Learned;

/** The n-th of many unicast addresses; they spread over all buckets. */
MacAddress address(uint64_t n) { return 0x02 | n << 8; }

/** Who has each address, by what the table answered; `seen` is when a learned one was seen last. */
struct Owner {
  int port = MacTable::kNoPort;
  bool configured = false;
  uint32_t seen = 0;
  bool live(uint32_t now) const { return port != MacTable::kNoPort && (configured || now - seen <= kAge); }
};

class Session {
 public:
  explicit Session(Input input) : input_(input), now_(input_.number<uint32_t>()) {}

  void run() {
    for (int step = 0; step < kSteps && !input_.empty(); step++) {
      uint8_t what = input_.byte();
      auto port = static_cast<uint16_t>(what >> 3 & 3);
      switch (what & 7) {
        case 0: configure(port); break;
        case 1: remove(port); break;
        case 2: now_ += input_.byte(); break;
        case 3: learn_many(port); break;
        default: learn(input_.byte() % kAddresses, port);
      }
    }
    check();
    quotas_are_whole();
  }

 private:
  void learn(size_t n, uint16_t port) {
    Owner& owner = owners_[n];
    Learned learned = table_.learn(address(n), port, now_);
    bool others = owner.configured && owner.port != port;
    expect((learned == Learned::kSpoofed) == others);
    if (others || learned == Learned::kRefused) {
      // A port's own live address is never refused, and a refusal changes nothing.
      expect(others || owner.port != port || !owner.live(now_));
      expect(table_.lookup(address(n), now_) == (owner.live(now_) ? owner.port : MacTable::kNoPort));
      return;
    }
    if (owner.live(now_)) expect((learned == Learned::kKnown) == (owner.port == port));
    if (learned == Learned::kKnown) expect(owner.port == port);
    if (owner.configured) return;
    owner = {port, false, now_};
    expect(table_.lookup(address(n), now_) == port);
  }
  void learn_many(uint16_t port) {
    size_t first = input_.byte(), count = input_.byte() % 32;
    for (size_t i = 0; i < count; i++) learn((first + i) % kAddresses, port);
  }
  void configure(uint16_t port) {
    size_t n = input_.byte() % kAddresses;
    bool others = owners_[n].configured && owners_[n].port != port;
    bool was_there = owners_[n].live(now_);
    if (!table_.add_static(address(n), port)) {
      // Refused for its owner, or since its bucket is full of configured ones; then it was not there itself.
      expect(others || !was_there);
      return;
    }
    expect(!others);
    owners_[n] = {port, true, 0};
    // One live address at most made room, and none when the address had an entry already.
    size_t lost = 0;
    for (size_t i = 0; i < kAddresses; i++) {
      if (!owners_[i].live(now_) || table_.lookup(address(i), now_) != MacTable::kNoPort) continue;
      expect(!owners_[i].configured);
      owners_[i] = {};
      lost++;
    }
    expect(lost <= (was_there ? 0 : 1));
    expect(table_.lookup(address(n), now_) == port);
  }
  void remove(uint16_t port) {
    table_.remove_port(port);
    for (size_t i = 0; i < kAddresses; i++) {
      Owner& owner = owners_[i];
      if (owner.port == MacTable::kNoPort) continue;
      if (owner.port == port) owner = {};
      expect(table_.lookup(address(i), now_) == (owner.live(now_) ? owner.port : MacTable::kNoPort));
    }
  }
  void check() {
    std::array<uint32_t, kPorts> learned{};
    for (size_t i = 0; i < kAddresses; i++) {
      const Owner& owner = owners_[i];
      int found = table_.lookup(address(i), now_);
      expect(found == (owner.live(now_) ? owner.port : MacTable::kNoPort));
      if (found != MacTable::kNoPort && !owner.configured) learned[static_cast<size_t>(found)]++;
    }
    for (uint32_t count : learned) expect(count <= kQuota);
    expect(table_.lookup(address(kAddresses), now_) == MacTable::kNoPort);
  }
  /** Without ports the table is empty, and each port may learn its quarter again. */
  void quotas_are_whole() {
    for (uint16_t port = 0; port < kPorts; port++) table_.remove_port(port);
    for (uint16_t port = 0; port < kPorts; port++) {
      for (uint64_t i = 0; i < kQuota; i++) {
        // Sixteen neighbours fit their buckets.
        expect(table_.learn(address(i), port, now_) == Learned::kNew);
      }
      expect(table_.learn(address(kQuota), port, now_) == Learned::kRefused);
      table_.remove_port(port);
    }
  }

  Input input_;
  uint32_t now_;
  MacTable table_{kEntries, kAge, kPorts};
  std::array<Owner, kAddresses> owners_;
};

}  // namespace
}  // namespace usvhost::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  usvhost::fuzz::Session(usvhost::fuzz::Input(data, size)).run();
  return 0;
}
