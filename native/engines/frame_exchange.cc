// SPDX-License-Identifier: Apache-2.0
#include "engines/frame_exchange.h"

#include <sys/eventfd.h>

#include <cstdlib>

#include "virtio/guest_word.h"

namespace usvhost {

Status FrameExchange::open() {
  // Zeroed, so that a handler cannot find in a frame what the process had there before.
  auto* memory = static_cast<uint8_t*>(std::aligned_alloc(64, kBytes));
  if (memory == nullptr) return failure("USV_MEMORY", "%zu bytes for the bursts of a handler cannot be had", kBytes);
  std::memset(memory, 0, kBytes);
  memory_.reset(memory);
  event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) return system_failure("USV_IO", "eventfd");
  return {};
}

bool FrameExchange::claim(uint32_t& burst) const {
  uint32_t filled = filled_.load(std::memory_order_relaxed);
  burst = filled % kBursts;
  return filled - released_ < kBursts;
}

void FrameExchange::publish() {
  // Fence [H1]: release orders frames and words before the count (pairs with [H2] of take).
  filled_.store(filled_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  // Fence [J1]: the count before the look at the consumer's wish (pairs with [J2] of take).
  full_fence();
  if (!consumer_waits_.load(std::memory_order_relaxed) || !consumer_waits_.exchange(false)) return;
  std::lock_guard lock(mutex_);
  if (on_frames_) on_frames_();
}

bool FrameExchange::decided(uint32_t& burst, bool& failed) const {
  // Fence [K2]: acquire pairs with [K1] of give.
  if (given_.load(std::memory_order_acquire) == released_) return false;
  burst = released_ % kBursts;
  failed = failed_[burst];
  return true;
}

void FrameExchange::want_wake() {
  producer_waits_.store(true, std::memory_order_relaxed);
  // Fence [L2]: our wish before the look at given_ in decided(); pairs with [L1] of give.
  full_fence();
}

bool FrameExchange::attach(std::function<void()> on_frames) {
  std::lock_guard lock(mutex_);
  if (on_frames_) return false;
  on_frames_ = std::move(on_frames);
  return true;
}

void FrameExchange::detach() {
  std::lock_guard lock(mutex_);
  on_frames_ = nullptr;
}

int32_t FrameExchange::take() {
  uint32_t given = given_.load(std::memory_order_relaxed);
  // Fence [H2]: acquire pairs with [H1] of publish.
  if (filled_.load(std::memory_order_acquire) == given) {
    consumer_waits_.store(true, std::memory_order_relaxed);
    // Fence [J2]: our wish before the second look at filled_; pairs with [J1] of publish.
    full_fence();
    if (filled_.load(std::memory_order_acquire) == given) return -1;
    consumer_waits_.store(false, std::memory_order_relaxed);
  }
  return static_cast<int32_t>(given % kBursts);
}

void FrameExchange::give(bool failed) {
  uint32_t given = given_.load(std::memory_order_relaxed);
  // A consumer that gives what it has not taken would set the data thread on a burst that it is filling.
  if (filled_.load(std::memory_order_relaxed) == given) return;
  failed_[given % kBursts] = failed;
  // Fence [K1]: release orders the decisions before the count (pairs with [K2] of decided).
  given_.store(given + 1, std::memory_order_release);
  // Fence [L1]: the count before the look at the data thread's wish (pairs with [L2] of want_wake).
  full_fence();
  if (!producer_waits_.load(std::memory_order_relaxed) || !producer_waits_.exchange(false)) return;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(event_.get(), &one, sizeof one);
}

}  // namespace usvhost
