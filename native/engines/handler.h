// SPDX-License-Identifier: Apache-2.0
// Lets a handler outside the data thread decide on frames: each burst of a port is copied into an exchange, decisions come
// back, and the frames go out by the port that the handler named, as it left them. A frame that nobody decided on is dropped.
#pragma once

#include <memory>

#include "engines/engine.h"
#include "engines/frame_exchange.h"

namespace usvhost {

struct HandlerOptions {
  std::shared_ptr<FrameExchange> exchange;  // not open yet
};

class Handler final : public Engine {
 public:
  /** Buffers of the pool that are in hand while the handler decides. */
  static constexpr uint32_t kBuffers = FrameExchange::kBursts * FrameExchange::kFrames;

  Handler(std::vector<PortQueue*> ports, HandlerOptions options)
      : ports_(std::move(ports)), exchange_(std::move(options.exchange)) {}
  Status open() override { return exchange_->open(); }
  Status watch(const PollThread& thread) override { return thread.watch(exchange_->event_fd()); }
  uint32_t poll() override;
  void arm() override { exchange_->want_wake(); }
  bool pending() override;
  void disarm() override { exchange_->refuse_wake(); }
  /** Without a free burst frames stay in the ring, and are no reason to stay awake. */
  bool receptive() override;
  std::vector<Metric> report() const override;

 private:
  /** What a burst in the exchange belongs to; the handler cannot reach it. */
  struct Flight {
    uint32_t count = 0;
    Packet packets[FrameExchange::kFrames] = {};
  };
  bool patient();
  uint32_t gather(uint32_t port);
  uint32_t finish(uint32_t burst, bool failed);
  void drop(const Packet& packet, std::atomic<uint64_t>& counter);

  std::vector<PortQueue*> ports_;
  std::shared_ptr<FrameExchange> exchange_;
  Flight flights_[FrameExchange::kBursts];
  bool full_ = false;
  uint32_t waited_ = 0;  // passes for room to send
  std::atomic<uint64_t> frames_{0};
  std::atomic<uint64_t> bursts_{0};
  std::atomic<uint64_t> threw_{0};
  std::atomic<uint64_t> drop_decided_{0};
  std::atomic<uint64_t> drop_threw_{0};
  std::atomic<uint64_t> drop_invalid_{0};
  std::atomic<uint64_t> drop_short_{0};
  std::atomic<uint64_t> drop_long_{0};
  std::atomic<uint64_t> full_times_{0};
};

}  // namespace usvhost
