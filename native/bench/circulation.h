// SPDX-License-Identifier: Apache-2.0
// The traffic of a loop benchmark: a fixed number of frames goes round in each of two directions, out by one port, through the switch
// that is measured, in by the other port, and out again. A frame goes out in the buffer it came in, unchanged. Of a burst only the
// last frame is looked at: it carries its place in the round, which tells whether one before it was lost. What is lost is made anew.
#pragma once

#include <array>
#include <vector>

#include "base/wire.h"
#include "engines/engine.h"

namespace usvhost {

/** So many frames of so many bytes (destination address to end of payload) go round in each direction. */
struct FrameKind {
  uint32_t bytes;
  uint32_t count;
};

class Circulation final : public Engine {
 public:
  /** Of each direction, so that a number and those after it can be told apart from those before it. */
  static constexpr uint32_t kMaxFrames = 1u << 16;
  static constexpr uint32_t kBurst = 64;

  /** Two ports with one pool. When nothing has come in for `silence_nanos`, what went round is gone, and all of it is made anew. */
  Circulation(std::vector<PortQueue*> ports, std::vector<FrameKind> kinds, uint64_t silence_nanos = 50'000'000);
  /** Buffers beside those of the ports' rings. */
  static uint32_t buffers_of(const std::vector<FrameKind>& kinds);

  Status open() override;
  void connected() override;
  uint32_t poll() override;
  /** False: frames that come in go out no more. */
  void set_running(bool running) override { running_.store(running, std::memory_order_relaxed); }
  /**
   * remade: frames that were missed and made anew; strays: frames that came and had no place in the round, such as one that comes
   * after it was made anew; busy_nanos: how long passes took that moved a frame; nanos: how long all took.
   */
  std::vector<Metric> report() const override;

 private:
  struct Direction {
    PortQueue* out;
    PortQueue* in;
    uint8_t header[kEthernetBytes] = {};
    uint32_t next = 0;            // place of the frame that comes in next
    uint32_t round = 0;           // frames of an earlier round are strays
    uint64_t heard = 0;           // when a frame last came in, or the round began; 0: no round yet
    std::vector<Packet> waiting;  // what the ring had no room for
    size_t waiting_from = 0;
  };

  uint32_t window() const { return static_cast<uint32_t>(bytes_.size()); }
  uint64_t ticket(const Direction& direction, uint32_t place) const { return uint64_t{direction.round} << 32 | place; }
  uint32_t after(uint32_t place, uint32_t frames) const { return (place + frames) % window(); }
  uint64_t ticket_of(const Direction& direction, const Packet& packet) const;

  uint32_t pass(Direction& direction, bool running);
  void begin(Direction& direction);
  void end(Direction& direction);
  void make(Direction& direction, uint32_t place);
  void send(Direction& direction, const Packet* packets, uint32_t count);
  bool flush(Direction& direction);
  void sort_out(Direction& direction, const Packet* packets, uint32_t count);

  std::vector<FrameKind> kinds_;
  uint64_t silence_nanos_;
  std::vector<uint32_t> bytes_;  // of the frame in each place
  std::array<Direction, 2> directions_;
  uint64_t now_ = 0;
  std::atomic<bool> running_{true};
  std::atomic<uint64_t> remade_{0}, strays_{0}, busy_nanos_{0}, nanos_{0};
};

}  // namespace usvhost
