// SPDX-License-Identifier: Apache-2.0
#include "bench/circulation.h"

#include <cinttypes>

#include "base/cpu.h"
#include "engines/frames.h"

namespace usvhost {

namespace {

constexpr uint32_t kTicketOffset = kEthernetBytes;

/** 02:00:00:00:00:01 sends at the first port, 02:00:00:00:00:02 at the second. */
MacAddress address_of(size_t port) { return MacAddress{0x02} | MacAddress{port + 1} << 40; }

/** Kinds spread over the round as evenly as their numbers allow. */
std::vector<uint32_t> spread(const std::vector<FrameKind>& kinds) {
  uint64_t all = 0;
  for (const FrameKind& kind : kinds) all += kind.count;
  std::vector<uint32_t> bytes;
  std::vector<uint64_t> made(kinds.size());
  for (uint64_t place = 1; place <= all; place++) {
    // Next is the kind that lags most behind its share of the places so far.
    size_t next = 0;
    int64_t most = INT64_MIN;
    for (size_t i = 0; i < kinds.size(); i++) {
      auto lag = static_cast<int64_t>(place * kinds[i].count) - static_cast<int64_t>(made[i] * all);
      if (lag > most) {
        most = lag;
        next = i;
      }
    }
    made[next]++;
    bytes.push_back(kinds[next].bytes);
  }
  return bytes;
}

}  // namespace

Circulation::Circulation(std::vector<PortQueue*> ports, std::vector<FrameKind> kinds, uint64_t silence_nanos)
    : kinds_(std::move(kinds)), silence_nanos_(silence_nanos) {
  for (size_t i = 0; i < directions_.size(); i++) {
    Direction& direction = directions_[i];
    direction.out = ports[i];
    direction.in = ports[1 - i];
    store_mac(direction.header, address_of(1 - i));
    store_mac(direction.header + 6, address_of(i));
    store_be16(direction.header + 12, kTestEtherType);
  }
}

uint32_t Circulation::buffers_of(const std::vector<FrameKind>& kinds) {
  uint32_t frames = kBurst;
  for (const FrameKind& kind : kinds) frames += kind.count;
  return 2 * frames;
}

Status Circulation::open() {
  uint64_t frames = 0;
  for (const FrameKind& kind : kinds_) {
    frames += kind.count;
    if (kind.bytes >= 60 && kind.bytes <= kPayloadCapacity) continue;
    return failure("USV_CONFIG", "expected frames of 60 to %u bytes, got %u", kPayloadCapacity, kind.bytes);
  }
  if (frames == 0 || frames > kMaxFrames) {
    return failure("USV_CONFIG", "expected 1 to %u frames in each direction, got %" PRIu64, kMaxFrames, frames);
  }
  bytes_ = spread(kinds_);
  now_ = monotonic_nanos();
  return {};
}

/** Both directions need both ports: what went round before is in rings that are gone. */
void Circulation::connected() {
  for (Direction& direction : directions_) end(direction);
}

uint32_t Circulation::poll() {
  bool running = running_.load(std::memory_order_relaxed);
  uint32_t moved = 0;
  for (Direction& direction : directions_) moved += pass(direction, running);
  // One look at the clock a pass: what follows the last look is this pass, with the loop around it.
  uint64_t now = monotonic_nanos();
  if (moved != 0) DriverCounters::add(busy_nanos_, now - now_);
  DriverCounters::add(nanos_, now - now_);
  now_ = now;
  return moved;
}

uint32_t Circulation::pass(Direction& direction, bool running) {
  if (!direction.in->up() || !direction.out->up()) return 0;
  // Frames stay in the receive ring until those before them have left.
  if (running && !flush(direction)) return 0;
  Packet packets[kBurst];
  uint32_t count = direction.in->receive(packets, kBurst);
  if (!running) {
    for (uint32_t i = 0; i < count; i++) give_packet(direction.in->pool(), packets[i]);
    return count;
  }
  if (count == 0) {
    if (direction.heard == 0 || now_ - direction.heard > silence_nanos_) [[unlikely]]
      begin(direction);
    return 0;
  }
  direction.heard = now_;
  uint32_t last = after(direction.next, count - 1);
  if (ticket_of(direction, packets[count - 1]) == ticket(direction, last)) [[likely]] {
    direction.next = after(last, 1);
    send(direction, packets, count);
  } else {
    sort_out(direction, packets, count);
  }
  return count;
}

/** UINT64_MAX for a frame that is none of this direction's. */
uint64_t Circulation::ticket_of(const Direction& direction, const Packet& packet) const {
  if (packet.length < kTicketOffset + sizeof(uint64_t)) return UINT64_MAX;
  const uint8_t* frame = direction.in->pool().payload(packet.buffer);
  uint64_t ticket;
  std::memcpy(&ticket, frame + kTicketOffset, sizeof ticket);
  return std::memcmp(frame, direction.header, kEthernetBytes) == 0 ? ticket : UINT64_MAX;
}

/** A new round: all its frames. */
void Circulation::begin(Direction& direction) {
  if (direction.heard != 0) DriverCounters::add(remade_, window());
  end(direction);
  direction.heard = now_;
  for (uint32_t place = 0; place < window(); place++) make(direction, place);
  flush(direction);
}

/** The frames of the round that are still here; what comes in from it is a stray. */
void Circulation::end(Direction& direction) {
  BufferPool& pool = direction.out->pool();
  for (size_t i = direction.waiting_from; i < direction.waiting.size(); i++) give_packet(pool, direction.waiting[i]);
  direction.waiting.clear();
  direction.waiting_from = 0;
  direction.round++;
  direction.next = 0;
  direction.heard = 0;
}

/** Without a free buffer the frame is missed when its turn comes, and made then. */
void Circulation::make(Direction& direction, uint32_t place) {
  BufferPool& pool = direction.out->pool();
  uint32_t buffer;
  if (pool.take(&buffer, 1) == 0) return;
  uint8_t* frame = pool.payload(buffer);
  uint64_t number = ticket(direction, place);
  std::memcpy(frame, direction.header, kEthernetBytes);
  std::memcpy(frame + kTicketOffset, &number, sizeof number);
  direction.waiting.push_back({buffer, bytes_[place]});
}

void Circulation::send(Direction& direction, const Packet* packets, uint32_t count) {
  uint32_t sent = direction.out->transmit(packets, count);
  if (sent == count) [[likely]]
    return;
  direction.waiting.insert(direction.waiting.end(), packets + sent, packets + count);
}

/** Whether nothing waits any more. */
bool Circulation::flush(Direction& direction) {
  if (direction.waiting.empty()) [[likely]]
    return true;
  auto left = static_cast<uint32_t>(direction.waiting.size() - direction.waiting_from);
  direction.waiting_from += direction.out->transmit(direction.waiting.data() + direction.waiting_from, left);
  if (direction.waiting_from != direction.waiting.size()) return false;
  direction.waiting.clear();
  direction.waiting_from = 0;
  return true;
}

/** A burst in which not every frame has its place: those that are missing are made, those that are too much go. */
void Circulation::sort_out(Direction& direction, const Packet* packets, uint32_t count) {
  uint64_t remade = 0;
  uint64_t strays = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t number = ticket_of(direction, packets[i]);
    auto place = static_cast<uint32_t>(number);
    bool of_round = number >> 32 == direction.round && place < window();
    uint32_t missing = of_round ? (place + window() - direction.next) % window() : 0;
    // One that is as far ahead as that comes after it was missed.
    if (!of_round || missing > window() / 2) {
      give_packet(direction.in->pool(), packets[i]);
      strays++;
      continue;
    }
    remade += missing;
    for (; missing != 0; missing--, direction.next = after(direction.next, 1)) make(direction, direction.next);
    direction.waiting.push_back(packets[i]);
    direction.next = after(place, 1);
  }
  DriverCounters::add(remade_, remade);
  DriverCounters::add(strays_, strays);
  flush(direction);
}

std::vector<Metric> Circulation::report() const {
  auto metric = [](const char* name, const std::atomic<uint64_t>& value) {
    return Metric{name, static_cast<double>(value.load(std::memory_order_relaxed))};
  };
  return {metric("remade", remade_), metric("strays", strays_), metric("busy_nanos", busy_nanos_),
          metric("nanos", nanos_)};
}

}  // namespace usvhost
