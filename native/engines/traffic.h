// SPDX-License-Identifier: Apache-2.0
// txonly and rxonly: makes test frames as fast as the ring takes them, counts what comes in, and compares every byte
// of it when asked to.
#pragma once

#include "engines/engine.h"
#include "switch/mac_table.h"

namespace usvhost {

struct TrafficOptions {
  bool transmit = false;
  bool verify = false;  // each frame has a pattern of its own, and each received frame is compared with it
  uint32_t size = 60;   // bytes from destination address to end of payload, 60 to kMaxFrameBytes
  uint64_t limit = 0;   // frames to send, 0: without end
  MacAddress source_mac = 0;
  MacAddress destination_mac = 0;
  bool running = true;  // false: waits for set_running(true)
};

class Traffic final : public Engine {
 public:
  Traffic(VirtioPort& port, TrafficOptions options) : port_(port), options_(options), running_(options.running) {}
  Status open() override;
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

  VirtioPort& port_;
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
