// SPDX-License-Identifier: Apache-2.0
#include "engines/handler.h"

#include <algorithm>

#include "engines/frames.h"

namespace usvhost {

static_assert(FrameExchange::kFrames == kEngineBurst);

namespace {
// A handler decides on many bursts in a row, more than a ring has room for at once. So many passes, a fraction of a
// millisecond, the back-end has to make room; then frames are dropped, since one port must not hold up the other for ever.
constexpr uint32_t kPatience = 2000;
}  // namespace

/** Whether to leave the next decided burst for a later pass. Once that was in vain, nothing waits until all ports have room. */
bool Handler::patient() {
  uint32_t narrow = 0;  // a bit for each port without room for a burst
  for (size_t port = 0; port < ports_.size(); port++) {
    uint32_t enough = std::min<uint32_t>(kEngineBurst, ports_[port]->size());
    if (ports_[port]->transmit_room() < enough) narrow |= 1u << port;
  }
  if (narrow == 0) waited_ = 0;
  if (narrow == 0 || waited_ >= kPatience) return false;
  uint32_t burst;
  bool failed;
  if (!exchange_->decided(burst, failed) || failed) return false;
  const FrameExchange::Words& words = exchange_->words(burst);
  for (uint32_t i = 0; i < flights_[burst].count; i++) {
    int32_t verdict = load_once(&words.verdict[i]);
    if (verdict < 0 || verdict > 1 || (narrow >> verdict & 1) == 0) continue;
    waited_++;
    return true;
  }
  return false;
}

uint32_t Handler::poll() {
  uint32_t moved = 0;
  uint32_t burst;
  bool failed;
  // Bounded: what is decided on now was handed over in an earlier pass.
  while (exchange_->decided(burst, failed) && !patient()) {
    moved += finish(burst, failed);
    exchange_->release();
  }
  for (uint32_t port = 0; port < ports_.size(); port++) moved += gather(port);
  return moved;
}

/** One copy into memory that only this process has: the back-end could change a frame in the ring after it was looked at. */
uint32_t Handler::gather(uint32_t port) {
  uint32_t burst;
  bool free = exchange_->claim(burst);
  if (full_ == free) {
    full_ = !free;
    if (full_) DriverCounters::add(full_times_, 1);
  }
  if (!free) return 0;
  Flight& flight = flights_[burst];
  uint32_t count = ports_[port]->receive(flight.packets, kEngineBurst);
  if (count == 0) return 0;
  FrameExchange::Words& words = exchange_->words(burst);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; i++) {
    Packet packet = flight.packets[i];
    if (packet.length < kEthernetBytes || packet.length > kPayloadCapacity) {
      drop(packet, packet.length < kEthernetBytes ? drop_short_ : drop_long_);
      continue;
    }
    copy_out(ports_[port]->pool(), packet, exchange_->frame(burst, kept));
    // It fits one buffer, so it goes out in one.
    if (packet.chained()) ports_[port]->pool().give_chain(packet.rest);
    packet.rest = kNoBuffer;
    flight.packets[kept] = packet;
    words.length[kept] = packet.length;
    words.verdict[kept] = FrameExchange::kDrop;
    kept++;
  }
  flight.count = kept;
  if (kept == 0) return count;
  words.count = kept;
  words.port = port;
  DriverCounters::add(frames_, kept);
  DriverCounters::add(bursts_, 1);
  exchange_->publish();
  return count;
}

/** The handler's words are read once and checked: it may be wrong, and may still be writing. */
uint32_t Handler::finish(uint32_t burst, bool failed) {
  const Flight& flight = flights_[burst];
  if (failed) {
    DriverCounters::add(threw_, 1);
    for (uint32_t i = 0; i < flight.count; i++) drop(flight.packets[i], drop_threw_);
    return flight.count;
  }
  const FrameExchange::Words& words = exchange_->words(burst);
  Packet out[2][kEngineBurst];
  uint32_t outgoing[2] = {0, 0};
  for (uint32_t i = 0; i < flight.count; i++) {
    int32_t verdict = load_once(&words.verdict[i]);
    uint32_t length = load_once(&words.length[i]);
    uint32_t buffer = flight.packets[i].buffer;
    if (verdict == FrameExchange::kDrop) {
      drop(flight.packets[i], drop_decided_);
    } else if (verdict < 0 || static_cast<size_t>(verdict) >= ports_.size() || length < kEthernetBytes ||
               length > kPayloadCapacity) {
      drop(flight.packets[i], drop_invalid_);
    } else {
      std::memcpy(ports_[0]->pool().payload(buffer), exchange_->frame(burst, i), length);
      out[verdict][outgoing[verdict]++] = {buffer, length};
    }
  }
  for (size_t port = 0; port < ports_.size(); port++) {
    if (outgoing[port] != 0) ports_[port]->transmit_or_drop(out[port], outgoing[port]);
  }
  return flight.count;
}

void Handler::drop(const Packet& packet, std::atomic<uint64_t>& counter) {
  DriverCounters::add(counter, 1);
  give_packet(ports_[0]->pool(), packet);
}

bool Handler::pending() {
  uint32_t burst;
  bool failed;
  return exchange_->decided(burst, failed);
}

bool Handler::receptive() {
  uint32_t burst;
  return exchange_->claim(burst);
}

std::vector<Metric> Handler::report() const {
  auto metric = [](const char* name, const std::atomic<uint64_t>& value) {
    return Metric{name, static_cast<double>(value.load(std::memory_order_relaxed))};
  };
  return {metric("frames", frames_),
          metric("bursts", bursts_),
          metric("threw", threw_),
          metric("drop_decided", drop_decided_),
          metric("drop_threw", drop_threw_),
          metric("drop_invalid", drop_invalid_),
          metric("drop_short", drop_short_),
          metric("drop_long", drop_long_),
          metric("full", full_times_),
          {"in_hand", static_cast<double>(exchange_->in_hand())},
          {"given", static_cast<double>(exchange_->bursts_given())}};
}

}  // namespace usvhost
