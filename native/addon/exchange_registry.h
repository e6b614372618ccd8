// SPDX-License-Identifier: Apache-2.0
// How a worker finds the exchange of a dataplane that the main thread has made: by a number. The one thing that the
// environments of a process share, and so the one static state of the addon.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "engines/frame_exchange.h"

namespace usvhost::js {

class ExchangeRegistry {
 public:
  static ExchangeRegistry& shared() {
    static ExchangeRegistry registry;
    return registry;
  }
  uint32_t add(std::shared_ptr<FrameExchange> exchange) {
    std::lock_guard lock(mutex_);
    exchanges_[++last_] = std::move(exchange);
    return last_;
  }
  void remove(uint32_t number) {
    std::lock_guard lock(mutex_);
    exchanges_.erase(number);
  }
  /** Null when the dataplane is closed, or has no handler. */
  std::shared_ptr<FrameExchange> find(uint32_t number) {
    std::lock_guard lock(mutex_);
    auto found = exchanges_.find(number);
    return found == exchanges_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  uint32_t last_ = 0;
  std::map<uint32_t, std::shared_ptr<FrameExchange>> exchanges_;
};

}  // namespace usvhost::js
