// SPDX-License-Identifier: Apache-2.0
// Sends ICMP echo requests from the packet engine itself and measures the round trips: ping for a pod that has no tap.
#pragma once

#include <mutex>

#include "engines/engine.h"
#include "engines/frames.h"

namespace usvhost {

struct PingOptions {
  MacAddress mac = 0;
  Ipv4Address source = 0;
  Ipv4Address destination = 0;
  uint32_t count = 10;
  uint32_t interval_millis = 20;
  uint32_t timeout_millis = 1000;  // of one ARP or echo request
};

class Ping final : public Engine {
 public:
  Ping(PortQueue& port, PingOptions options) : port_(port), options_(options) {}
  void connected() override {
    if (port_.mac() != 0) options_.mac = port_.mac();
  }
  uint32_t poll() override;
  int max_sleep_millis() override;
  std::vector<Metric> report() const override;

 private:
  void send(uint64_t now);
  void transmit(uint32_t length, uint32_t buffer);

  static constexpr uint16_t kId = 0x7573;
  PortQueue& port_;
  PingOptions options_;
  MacAddress peer_ = 0;
  uint64_t next_send_ = 0;
  std::vector<uint64_t> sent_at_;
  std::vector<bool> answered_;
  std::atomic<uint32_t> sent_{0};
  std::atomic<bool> done_{false};
  mutable std::mutex mutex_;  // guards rtt_micros_; taken once an answer
  std::vector<double> rtt_micros_;
};

}  // namespace usvhost
