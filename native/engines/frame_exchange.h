// SPDX-License-Identifier: Apache-2.0
// Bursts of frames on their way to a handler outside the data thread, and its decisions on their way back: a ring of bursts
// in private memory with one producer and one consumer. Neither side ever waits for the other one; the data thread finds no
// free burst and leaves frames where they are, the handler's thread finds no burst and is woken later.
#pragma once

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>

#include "base/fd.h"
#include "base/status.h"
#include "memory/buffer_pool.h"

namespace usvhost {

class FrameExchange {
 public:
  static constexpr uint32_t kBursts = 16;
  static constexpr uint32_t kFrames = 32;
  /** The handler's decision on a frame: a port's index, or this. */
  static constexpr int32_t kDrop = -1;

  /** What lies before the frames, for each burst; the consumer writes `length` and `verdict`, and might write the rest. */
  struct alignas(64) Words {
    uint32_t count;
    uint32_t port;
    uint32_t length[kFrames];
    int32_t verdict[kFrames];
  };
  static constexpr size_t kFramesOffset = kBursts * sizeof(Words);
  static constexpr size_t kBytes = kFramesOffset + size_t{kBursts} * kFrames * kBufferStride;

  /** Before anything else; fails with USV_MEMORY, USV_IO. */
  Status open();
  uint8_t* memory() const { return memory_.get(); }
  Words& words(uint32_t burst) const { return reinterpret_cast<Words*>(memory_.get())[burst]; }
  /** kPayloadCapacity bytes. */
  uint8_t* frame(uint32_t burst, uint32_t index) const {
    return memory_.get() + kFramesOffset + size_t{burst * kFrames + index} * kBufferStride;
  }

  // Data thread.

  /** Whether a burst is free; `burst` is then the one to fill. */
  bool claim(uint32_t& burst) const;
  /** Hands over the claimed burst. */
  void publish();
  /** Whether the consumer has decided on one more burst; `failed`: it gave up on it. */
  bool decided(uint32_t& burst, bool& failed) const;
  /** The burst that decided() named is free again. */
  void release() { released_++; }
  /** Asks for a wake-up by event_fd(); the caller looks at decided() afterwards. */
  void want_wake();
  void refuse_wake() { producer_waits_.store(false, std::memory_order_relaxed); }
  /** Becomes readable by a decision after want_wake(); to be watched edge-triggered, nobody reads it. */
  int event_fd() const { return event_.get(); }

  // Consumer; one at a time.

  /** `on_frames` runs on the data thread and must only queue. False when there is a consumer already. */
  bool attach(std::function<void()> on_frames);
  /** After it `on_frames` does not run any more. Any thread. */
  void detach();
  /** The oldest burst without a decision, or -1; then `on_frames` is called when there is one. */
  int32_t take();
  /** Gives the burst of the last take() back. */
  void give(bool failed);

  // Any thread.

  /** Bursts that wait for a decision. */
  uint32_t in_hand() const { return filled_.load(std::memory_order_relaxed) - given_.load(std::memory_order_relaxed); }
  /** Decisions so far; wraps. */
  uint32_t bursts_given() const { return given_.load(std::memory_order_relaxed); }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };

  std::unique_ptr<uint8_t, Free> memory_;
  Fd event_;
  bool failed_[kBursts] = {};  // goes with given_
  uint32_t released_ = 0;      // the data thread's own
  alignas(64) std::atomic<uint32_t> filled_{0};
  std::atomic<bool> consumer_waits_{false};
  alignas(64) std::atomic<uint32_t> given_{0};
  std::atomic<bool> producer_waits_{false};
  std::mutex mutex_;  // guards on_frames_; held for as long as it runs
  std::function<void()> on_frames_;
};

}  // namespace usvhost
