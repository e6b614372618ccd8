// SPDX-License-Identifier: Apache-2.0
// Forwarder between ports whose rings are of different kinds: each of split and packed, by flags and by event index, sends to
// each, with chains, tables and several buffers a frame. What arrives is put together by a reader that knows only the rings.
#include <deque>
#include <random>

#include "switch/forwarder.h"
#include "test/raw_packed_ring.h"
#include "test/raw_ring.h"
#include "test/support.h"
#include "virtio/net_header.h"

namespace usvhost::test {
namespace {

constexpr uint32_t kHeader = kNetHeaderBytes;
using Bytes = std::vector<uint8_t>;

/** A pod with a ring of 63 or 64 entries for each direction and one buffer for each entry. */
class KindPod {
 public:
  static constexpr size_t kBuffer = 4096;
  struct Piece {
    uint32_t at, length;  // within the buffer
  };
  struct Used {
    uint16_t buffer;
    uint32_t length;
  };

  KindPod(PortTable& table, Network& network, uint16_t index, uint64_t features)
      : memory_((16 + 3 * 64) * kBuffer), packed_((features & feature_bit(VIRTIO_F_RING_PACKED)) != 0) {
    indirect_ = (features & feature_bit(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
    for (int which = 0; which < 2; which++) {
      uint8_t* at = memory_.at(which * 8 * kBuffer);
      if (packed_) {
        packed_rings_[which].attach(at, 63);
        queues_[which].attach(packed_rings_[which].in(memory_), 0x8000, features);
      } else {
        split_[which].attach(at, 64);
        queues_[which].attach(memory_.translated(split_[which].ring()), 0, features);
      }
    }
    runtime.index = index;
    runtime.network = &network;
    runtime.max_frame = 9018;
    runtime.memory = &memory_.table();
    runtime.transmit[0] = {&queues_[0], -1, true};
    runtime.receive[0] = {&queues_[1], -1, true};
    runtime.transmit_count = runtime.receive_count = 1;
    runtime.mergeable = (features & feature_bit(VIRTIO_NET_F_MRG_RXBUF)) != 0;
    runtime.counters = &counters;
    table.publish(index, &runtime);
  }

  uint8_t* buffer(int which, uint16_t i) const { return memory_.at((16 + which * 64 + i % 64) * kBuffer); }
  /** Whether a chain of `entries` fits into the ring; those in a table take one entry. */
  bool room(int which, size_t entries) const {
    size_t wanted = indirect_ && entries > 1 ? 1 : entries;
    return packed_ ? packed_rings_[which].room() >= wanted : outstanding_[which].size() + 1 < 8 && entries <= 8;
  }
  /** Makes buffer `i` available in these pieces. */
  void offer(int which, uint16_t i, const std::vector<Piece>& pieces) {
    uint16_t write = which == 1 ? VRING_DESC_F_WRITE : 0;
    uint64_t base = guest_address(buffer(which, i));
    bool table = indirect_ && pieces.size() > 1;
    outstanding_[which].push_back({i, table ? 1u : static_cast<uint32_t>(pieces.size())});
    uint8_t* entries = memory_.at((16 + 2 * 64 + i % 64) * kBuffer + which * 2048);
    if (packed_) {
      std::vector<RawPackedRing::Piece> all;
      for (const Piece& piece : pieces) all.push_back({base + piece.at, piece.length, write});
      if (table) {
        for (size_t k = 0; k < all.size(); k++) {
          vring_packed_desc entry{all[k].address, all[k].length, 0, write};
          memcpy(entries + 16 * k, &entry, sizeof entry);
        }
        all = {{guest_address(entries), static_cast<uint32_t>(16 * pieces.size()), VRING_DESC_F_INDIRECT}};
      }
      packed_rings_[which].offer(all, i);
      return;
    }
    auto first = static_cast<uint16_t>(i % 8 * 8);  // each buffer has eight descriptors of its own
    for (uint16_t k = 0; k < pieces.size(); k++) {
      auto flags = static_cast<uint16_t>(write | (k + 1u < pieces.size() ? VRING_DESC_F_NEXT : 0));
      auto next = static_cast<uint16_t>((table ? 0 : first) + k + 1);
      vring_desc entry{base + pieces[k].at, pieces[k].length, flags, next};
      if (table) {
        memcpy(entries + 16 * k, &entry, sizeof entry);
      } else {
        split_[which].describe(static_cast<uint16_t>(first + k), entry.addr, entry.len, entry.flags, entry.next);
      }
    }
    if (table) {
      split_[which].describe(first, guest_address(entries), static_cast<uint32_t>(16 * pieces.size()),
                             VRING_DESC_F_INDIRECT);
    }
    split_[which].offer(first);
  }
  /** The next buffer that came back. */
  std::optional<Used> take(int which) {
    if (outstanding_[which].empty()) return {};
    auto [expected, entries] = outstanding_[which].front();
    Used used{expected, 0};
    if (packed_) {
      auto element = packed_rings_[which].take(entries);
      if (!element) return {};
      CHECK(element->id == expected);
      CHECK(element->written == (which == 1));
      used.length = element->length;
    } else {
      if (split_[which].used() == taken_[which]) return {};
      vring_used_elem element = split_[which].used_entry(taken_[which]++);
      CHECK(element.id == expected % 8 * 8);
      used.length = element.len;
    }
    outstanding_[which].pop_front();
    return used;
  }

  CounterBlock counters{};
  PortRuntime runtime;

 private:
  GuestMemory memory_;
  bool packed_;
  bool indirect_ = false;
  RawRing split_[2];
  RawPackedRing packed_rings_[2];
  DeviceQueue queues_[2];
  uint16_t taken_[2] = {};
  std::deque<std::pair<uint16_t, uint32_t>> outstanding_[2];
};

constexpr uint64_t kPacked = feature_bit(VIRTIO_F_RING_PACKED), kEvent = feature_bit(VIRTIO_RING_F_EVENT_IDX),
                   kIndirect = feature_bit(VIRTIO_RING_F_INDIRECT_DESC), kMerge = feature_bit(VIRTIO_NET_F_MRG_RXBUF);

std::vector<KindPod::Piece> cut(std::mt19937& random, uint32_t total) {
  std::vector<KindPod::Piece> pieces;
  uint32_t at = 0;
  while (at != total) {
    auto length = static_cast<uint32_t>(1 + random() % (total - at));
    if (pieces.size() == 4 || random() % 2 == 0) length = total - at;
    pieces.push_back({at, length});
    at += length;
  }
  return pieces;
}

/** Random frames, cuts and buffers one way; every one that arrives is whole and in order, and the others are counted. */
void exchange(uint64_t from, uint64_t to, uint32_t seed) {
  PortTable table(2);
  table.set_end(2);
  Network network(64, 300, 2);
  Forwarder forwarder(table);
  auto sender = std::make_unique<KindPod>(table, network, uint16_t{0}, from);
  auto receiver = std::make_unique<KindPod>(table, network, uint16_t{1}, to);
  std::mt19937 random(seed);
  std::deque<Bytes> sent;
  uint16_t next_sent = 0, next_posted = 0;
  uint64_t delivered = 0, total = 0;
  bool mergeable = receiver->runtime.mergeable;
  for (int round = 0; round < (kSanitized ? 300 : 1500); round++) {
    for (auto posts = static_cast<uint32_t>(random() % 8); posts != 0 && receiver->room(1, 5); posts--) {
      auto bytes = static_cast<uint32_t>(kHeader + (mergeable ? random() % 900 : 1200 + random() % 900));
      memset(receiver->buffer(1, next_posted), 0xee, KindPod::kBuffer);
      receiver->offer(1, next_posted, cut(random, bytes));
      next_posted = static_cast<uint16_t>((next_posted + 1) % 64);
    }
    for (auto count = static_cast<uint32_t>(random() % 8); count != 0 && sender->room(0, 5); count--) {
      Bytes frame(14 + random() % 1800);
      for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random());
      frame[0] = frame[6] = 0x02;  // one station each, never a group
      memset(&frame[1], 0, 5);
      memset(&frame[7], 1, 5);
      memset(sender->buffer(0, next_sent), 0, kHeader);
      std::copy(frame.begin(), frame.end(), sender->buffer(0, next_sent) + kHeader);
      sender->offer(0, next_sent, cut(random, static_cast<uint32_t>(kHeader + frame.size())));
      next_sent = static_cast<uint16_t>((next_sent + 1) % 64);
      sent.push_back(std::move(frame));
      total++;
    }
    forwarder.forward(sender->runtime, 1);
    while (auto used = sender->take(0)) CHECK(used->length == 0);
    while (auto used = receiver->take(1)) {
      const uint8_t* header = receiver->buffer(1, used->buffer);
      auto buffers = static_cast<uint16_t>(header[10] | header[11] << 8);
      REQUIRE((mergeable ? buffers >= 1 : buffers == 1));
      Bytes got;
      for (uint16_t i = 0; i < buffers; i++) {
        if (i != 0) used = receiver->take(1);
        REQUIRE(used.has_value());
        const uint8_t* start = receiver->buffer(1, used->buffer);
        got.insert(got.end(), start, start + used->length);
        REQUIRE(start[used->length] == 0xee);
      }
      got.erase(got.begin(), got.begin() + kHeader);
      while (!sent.empty() && sent.front() != got) sent.pop_front();
      REQUIRE_FALSE(sent.empty());
      sent.pop_front();
      delivered++;
    }
    REQUIRE(sender->runtime.broken == RingError::kNone);
    REQUIRE(receiver->runtime.broken == RingError::kNone);
  }
  while (forwarder.forward(sender->runtime, 1) != 0) continue;
  CHECK(sender->counters.get(Counter::tx_packets) == total);
  uint64_t dropped =
      receiver->counters.get(Counter::rx_drop_no_buffer) + receiver->counters.get(Counter::rx_drop_small_buffer);
  CHECK(receiver->counters.get(Counter::rx_packets) + dropped == total);
  CHECK(delivered + 64 >= receiver->counters.get(Counter::rx_packets));
  CHECK(delivered > total / 4);
}

TEST_CASE("ring kinds: each sends to each, whole frames in order and every other one counted") {
  uint32_t seed = 1;
  for (uint64_t from : {uint64_t{0}, kEvent | kIndirect, kPacked, kPacked | kEvent | kIndirect}) {
    for (uint64_t to :
         {uint64_t{0}, kMerge | kIndirect, kPacked, kPacked | kMerge, kPacked | kEvent | kIndirect | kMerge}) {
      CAPTURE(from);
      CAPTURE(to);
      exchange(from, to, seed++);
    }
  }
}

}  // namespace
}  // namespace usvhost::test
