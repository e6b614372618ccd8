// SPDX-License-Identifier: Apache-2.0
// txonly and rxonly: makes test frames as fast as the ring takes them, counts what comes in, and compares every byte
// of it when asked to.
#pragma once

#include <memory>

#include "engines/engine.h"
#include "switch/mac_table.h"

namespace usvhost {

/** Frames that several lanes may still send together. */
class FrameBudget {
 public:
  explicit FrameBudget(uint64_t frames) : left_(frames) {}
  bool left() const { return left_.load(std::memory_order_relaxed) != 0; }
  /** Up to `wanted` of them. */
  uint32_t take(uint32_t wanted) {
    uint64_t left = left_.load(std::memory_order_relaxed);
    uint32_t got;
    do {
      got = left < wanted ? static_cast<uint32_t>(left) : wanted;
    } while (!left_.compare_exchange_weak(left, left - got, std::memory_order_relaxed));
    return got;
  }
  void give(uint32_t frames) { left_.fetch_add(frames, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> left_;
};

struct TrafficOptions {
  bool transmit = false;
  bool verify = false;  // each frame has a pattern of its own, and each received frame is compared with it
  uint32_t size = 60;   // bytes from destination address to end of payload, 60 to kMaxFrameBytes
  uint64_t limit = 0;   // frames to send, 0: without end
  MacAddress source_mac = 0;
  MacAddress destination_mac = 0;
  bool running = true;                       // false: waits for set_running(true)
  std::shared_ptr<FrameBudget> budget = {};  // of `limit`, shared with other lanes; without one it is this engine's own
};

class Traffic final : public Engine {
 public:
  Traffic(PortQueue& port, TrafficOptions options)
      : port_(port), options_(std::move(options)), running_(options_.running) {
    if (options_.limit != 0 && !options_.budget) options_.budget = std::make_shared<FrameBudget>(options_.limit);
  }
  Status open() override;
  void connected() override;
  uint32_t poll() override;
  int max_sleep_millis() override { return wants_to_send() ? 0 : -1; }
  void set_running(bool running) override { running_.store(running, std::memory_order_relaxed); }
  std::vector<Metric> report() const override;

 private:
  bool wants_to_send() const;
  uint32_t receive();
  const uint8_t* whole(const Packet& packet);
  uint32_t send();
  void write_frame(uint8_t* frame, uint64_t sequence);
  Packet make(const uint32_t* buffers, uint64_t sequence);

  PortQueue& port_;
  TrafficOptions options_;
  std::atomic<bool> running_;
  alignas(64) uint8_t template_[64] = {};
  std::vector<uint8_t> scratch_;
  uint64_t sequence_ = 0;
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> corrupted_{0};
  std::atomic<uint64_t> foreign_{0};  // received, but no test frame
};

}  // namespace usvhost
