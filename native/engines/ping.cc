// SPDX-License-Identifier: Apache-2.0
#include "engines/ping.h"

#include <algorithm>

#include "base/cpu.h"

namespace usvhost {

namespace {
constexpr uint64_t kMilli = 1'000'000;
constexpr uint16_t kPayloadBytes = 56;
}  // namespace

uint32_t Ping::poll() {
  if (!port_.up()) return 0;
  uint64_t now = monotonic_nanos();
  Packet packets[kEngineBurst];
  uint32_t count = port_.receive(packets, kEngineBurst);
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* frame = port_.pool().payload(packets[i].buffer);
    uint16_t sequence;
    if (packets[i].chained()) {
      // No answer to what we send is so long.
    } else if (peer_ == 0) {
      peer_ = parse_arp_reply(frame, packets[i].length, options_.destination);
      if (peer_ != 0) next_send_ = now;
    } else if (parse_echo_reply(frame, packets[i].length, kId, sequence) && sequence < sent_at_.size() &&
               !answered_[sequence]) {
      answered_[sequence] = true;
      std::lock_guard lock(mutex_);
      rtt_micros_.push_back(static_cast<double>(now - sent_at_[sequence]) / 1000.0);
    }
    give_packet(port_.pool(), packets[i]);
  }
  if (!done_.load(std::memory_order_relaxed) && now >= next_send_) send(now);
  return count;
}

void Ping::transmit(uint32_t length, uint32_t buffer) {
  Packet packet{buffer, length};
  port_.transmit_or_drop(&packet, 1);
}

void Ping::send(uint64_t now) {
  if (sent_at_.size() == options_.count) {
    // The last answer has had its time.
    done_.store(true, std::memory_order_release);
    return;
  }
  uint32_t buffer;
  if (port_.pool().take(&buffer, 1) == 0) return;
  uint8_t* frame = port_.pool().payload(buffer);
  if (peer_ == 0) {
    transmit(build_arp_request(frame, options_.mac, options_.source, options_.destination), buffer);
    next_send_ = now + options_.timeout_millis * kMilli / 10;
    return;
  }
  auto sequence = static_cast<uint16_t>(sent_at_.size());
  sent_at_.push_back(now);
  answered_.push_back(false);
  sent_.store(static_cast<uint32_t>(sent_at_.size()), std::memory_order_relaxed);
  transmit(build_echo_request(
               frame, {options_.mac, peer_, options_.source, options_.destination, kId, sequence, kPayloadBytes}),
           buffer);
  bool last = sent_at_.size() == options_.count;
  next_send_ = now + (last ? options_.timeout_millis : options_.interval_millis) * kMilli;
}

int Ping::max_sleep_millis() {
  if (done_.load(std::memory_order_relaxed) || !port_.up()) return -1;
  uint64_t now = monotonic_nanos();
  return now >= next_send_ ? 0 : static_cast<int>((next_send_ - now) / kMilli) + 1;
}

std::vector<Metric> Ping::report() const {
  std::lock_guard lock(mutex_);
  std::vector<double> sorted = rtt_micros_;
  std::sort(sorted.begin(), sorted.end());
  bool all = sorted.size() == options_.count;
  std::vector<Metric> metrics{{"sent", static_cast<double>(sent_.load(std::memory_order_relaxed))},
                              {"received", static_cast<double>(sorted.size())},
                              {"done", all || done_.load(std::memory_order_acquire) ? 1.0 : 0.0}};
  if (!sorted.empty()) {
    metrics.push_back({"rtt_min_us", sorted.front()});
    metrics.push_back({"rtt_p50_us", sorted[(sorted.size() - 1) / 2]});
    metrics.push_back({"rtt_p99_us", sorted[(sorted.size() - 1) * 99 / 100]});
    metrics.push_back({"rtt_max_us", sorted.back()});
  }
  return metrics;
}

}  // namespace usvhost
