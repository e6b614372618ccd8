// SPDX-License-Identifier: Apache-2.0
// Which port of a network a MAC address lives on: a bounded table that learns, ages, and cannot be taken over. Read and written by
// data threads without locks: an entry is one 64-bit word, a bucket one cache line.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace usvhost {

/** A MAC address in the low 48 bits, first byte on the wire in the lowest. */
using MacAddress = uint64_t;
inline constexpr MacAddress kMacMask = 0xffff'ffff'ffffull;
/** IEEE 802-2014, 8.2: the first bit on the wire marks a group (multicast or broadcast) address. */
inline constexpr bool is_group(MacAddress mac) { return (mac & 1) != 0; }

class MacTable {
 public:
  enum class Learned : uint8_t { kKnown, kNew, kRefused, kSpoofed };
  static constexpr int kNoPort = -1;

  /** `entries` is rounded up to a power of two, at least 64; one port learns at most a quarter of them. */
  MacTable(uint32_t entries, uint32_t age_seconds, uint32_t max_ports)
      : buckets_(round_up(entries) / kWays),
        entries_(buckets_ * kWays),
        stamps_(buckets_ * kWays),
        learned_(max_ports),
        age_(age_seconds),
        quota_(static_cast<uint32_t>(buckets_ * kWays / 4)) {}

  /** The port of `mac`, or kNoPort when it is unknown or its entry has aged. */
  int lookup(MacAddress mac, uint32_t now) const {
    size_t first = bucket(mac);
    for (size_t i = first; i < first + kWays; i++) {
      uint64_t entry = entries_[i].load(std::memory_order_relaxed);
      if (((entry ^ mac) & kMacMask) != 0 || entry == 0) continue;
      return usable(i, entry, now) ? port_of(entry) : kNoPort;
    }
    return kNoPort;
  }

  /**
   * Notes that `mac` was seen as source on `port`. kSpoofed: it belongs to another port by configuration; kRefused: the
   * bucket or the port's quota is full, so frames to it are flooded, or go on to the port it was seen on before.
   */
  Learned learn(MacAddress mac, uint16_t port, uint32_t now) {
    size_t first = bucket(mac);
    size_t victim = SIZE_MAX;
    bool full = at_quota(port);
    for (size_t i = first; i < first + kWays; i++) {
      uint64_t entry = entries_[i].load(std::memory_order_relaxed);
      if (entry != 0 && ((entry ^ mac) & kMacMask) == 0) return refresh(i, entry, port, now);
      if (victim != SIZE_MAX || (entry != 0 && usable(i, entry, now))) continue;
      // Aged entries count until they are replaced: a port at its quota goes on in the place of its own ones.
      if (!full || (entry != 0 && port_of(entry) == port)) victim = i;
    }
    if (victim == SIZE_MAX) return Learned::kRefused;
    replace(victim, pack(mac, port, false), now);
    return Learned::kNew;
  }

  /**
   * Binds `mac` to `port` for good (the address that the port was configured with). False when its bucket has no room or
   * it is bound to another port.
   */
  bool add_static(MacAddress mac, uint16_t port) {
    size_t first = bucket(mac);
    size_t victim = SIZE_MAX;
    for (size_t i = first; i < first + kWays; i++) {
      uint64_t entry = entries_[i].load(std::memory_order_relaxed);
      if (entry != 0 && ((entry ^ mac) & kMacMask) == 0) {
        if (is_static(entry) && port_of(entry) != port) return false;
        victim = i;
        break;
      }
      if (!is_static(entry)) victim = i;
    }
    if (victim == SIZE_MAX) return false;
    replace(victim, pack(mac, port, true), 0);
    return true;
  }

  /** Forgets everything about a port, which learns nothing meanwhile; other ports may. */
  void remove_port(uint16_t port) {
    for (auto& entry : entries_) {
      uint64_t value = entry.load(std::memory_order_relaxed);
      if (value == 0 || port_of(value) != port) continue;
      // Whoever takes the entry out counts it: another port may have just learned the same address.
      if (entry.compare_exchange_strong(value, 0, std::memory_order_relaxed) && !is_static(value)) {
        learned_[port].fetch_sub(1, std::memory_order_relaxed);
      }
    }
  }

 private:
  static constexpr size_t kWays = 8;  // eight words are one cache line
  static constexpr uint64_t kStaticBit = uint64_t{1} << 63;

  // Port + 1 in bits 48..62, so that an empty entry is zero.
  static uint64_t pack(MacAddress mac, uint16_t port, bool is_static_entry) {
    return mac | (uint64_t{port} + 1) << 48 | (is_static_entry ? kStaticBit : 0);
  }
  static int port_of(uint64_t entry) { return static_cast<int>((entry & ~kStaticBit) >> 48) - 1; }
  static bool is_static(uint64_t entry) { return (entry & kStaticBit) != 0; }
  static size_t round_up(uint32_t entries) {
    size_t size = 64;
    while (size < entries) size *= 2;
    return size;
  }
  size_t bucket(MacAddress mac) const { return ((mac * 0x9e3779b97f4a7c15ull) >> 32 & (buckets_ - 1)) * kWays; }
  bool usable(size_t index, uint64_t entry, uint32_t now) const {
    if (is_static(entry)) return true;
    // Signed: the clock of another data thread may be a second ahead of ours.
    auto age = static_cast<int32_t>(now - stamps_[index].load(std::memory_order_relaxed));
    return int64_t{age} <= int64_t{age_};
  }
  bool at_quota(uint16_t port) const { return learned_[port].load(std::memory_order_relaxed) >= quota_; }

  Learned refresh(size_t index, uint64_t entry, uint16_t port, uint32_t now) {
    if (port_of(entry) != port) {
      if (is_static(entry)) return Learned::kSpoofed;
      if (at_quota(port)) return Learned::kRefused;
      replace(index, pack(entry & kMacMask, port, false), now);
      return Learned::kNew;
    }
    // A store only when the second changed: frames of one burst must not dirty the line again and again.
    if (stamps_[index].load(std::memory_order_relaxed) != now) stamps_[index].store(now, std::memory_order_relaxed);
    return Learned::kKnown;
  }

  void replace(size_t index, uint64_t fresh, uint32_t now) {
    uint64_t old = entries_[index].exchange(fresh, std::memory_order_relaxed);
    stamps_[index].store(now, std::memory_order_relaxed);
    if (old != 0 && !is_static(old)) learned_[port_of(old)].fetch_sub(1, std::memory_order_relaxed);
    if (!is_static(fresh)) learned_[port_of(fresh)].fetch_add(1, std::memory_order_relaxed);
  }

  size_t buckets_;
  std::vector<std::atomic<uint64_t>> entries_;
  std::vector<std::atomic<uint32_t>> stamps_;
  std::vector<std::atomic<uint32_t>> learned_;
  uint32_t age_;
  uint32_t quota_;
};

}  // namespace usvhost
