// SPDX-License-Identifier: Apache-2.0
// A pod's second CPU, which rewrites words of shared memory while they are read: each with a value that a run wants there, and
// again with what stood there. Either it is a thread, as fast as it can, which finds what nobody thought of when it is lucky; or it
// writes right after the n-th load of a word of a guest, which is a race won each time, and the same one whenever an input is played.
#pragma once

#include <atomic>
#include <thread>
#include <utility>

#include "base/cpu.h"
#include "fuzz/input.h"
#include "virtio/guest_word.h"

namespace usvhost::fuzz {

/** There is one, since a load of a guest's word asks for nobody in particular. It lives as long as the process. */
class Writer {
 public:
  static Writer& get() {
    static Writer& writer = *new Writer;
    return writer;
  }

  /** Of the words of this run: by a thread, or by the load. */
  void reset(bool threaded) { threaded_ = threaded; }

  /**
   * From now on until end(): `value` at `at`, eight bytes of memory that stays, in turns with what is there now. By the load it
   * comes after as many loads of a burst as the lower bits of `when` say, and goes after as many more as the higher ones say.
   */
  void add(uint8_t* at, uint64_t value, uint8_t when) {
    uint32_t count = count_.load(std::memory_order_relaxed);
    if (count == kMost) return;
    const uint32_t comes = when & kComes;
    words_[count] = {at, value, load_bytes_once(at), comes, comes + 1 + (uint32_t{when} >> kComesBits)};
    count_.store(count + 1, std::memory_order_release);
    if (count != 0 || !threaded_) return;
    state_.store(State::kOffered, std::memory_order_release);
    state_.notify_one();
    // It need not come: where there is one CPU it comes when it comes.
    for (int i = 0; i < kPatience && state_.load(std::memory_order_relaxed) == State::kOffered; i++) cpu_relax();
  }
  /** Before and after a burst: loads are counted from here, the first one as number `first`. */
  void begin_burst(uint32_t first) {
    loads_ = first;
    if (!threaded_ && count_.load(std::memory_order_relaxed) != 0) after_load = [] { get().write_by_load(); };
  }
  void end_burst() { after_load = nullptr; }

  /** Afterwards nothing is written. The process ends when the thread was never there in very many runs: nothing is tested then. */
  void end() {
    if (count_.exchange(0, std::memory_order_relaxed) == 0 || !threaded_) return;
    auto offered = State::kOffered;
    if (!state_.compare_exchange_strong(offered, State::kIdle)) {
      state_.store(State::kEnding, std::memory_order_relaxed);
      while (state_.load(std::memory_order_acquire) != State::kIdle) sched_yield();
      raced_++;
    }
    if (++runs_ % kRuns == 0) expect(std::exchange(raced_, 0) != 0);
  }

 private:
  enum class State : uint32_t { kIdle, kOffered, kRunning, kEnding };
  struct Word {
    uint8_t* at;
    uint64_t wanted, found;
    uint32_t comes, goes;  // after so many loads of a burst
  };
  static constexpr uint32_t kMost = 64;
  static constexpr unsigned kComesBits = 5;
  static constexpr uint8_t kComes = (1 << kComesBits) - 1;
  static constexpr int kPatience = 500;
  static constexpr uint32_t kRuns = 1 << 16;

  Writer() {
    std::thread([this] { work(); }).detach();
  }

  static void store(uint8_t* at, uint64_t value) { *reinterpret_cast<volatile UnalignedWord*>(at) = value; }

  // What this reaches depends on when it comes, which is nothing that the fuzzer should follow.
  __attribute__((no_sanitize("coverage"))) void work() {
    for (;;) {
      for (int i = 0; i < kPatience && state_.load(std::memory_order_relaxed) == State::kIdle; i++) cpu_relax();
      state_.wait(State::kIdle);
      auto offered = State::kOffered;
      if (!state_.compare_exchange_strong(offered, State::kRunning)) continue;
      while (state_.load(std::memory_order_relaxed) == State::kRunning) {
        uint32_t count = count_.load(std::memory_order_acquire);
        for (uint32_t i = 0; i < count; i++) {
          store(words_[i].at, words_[i].wanted);
          store(words_[i].at, words_[i].found);
        }
        for (uint32_t i = 0; i < count; i++) store(words_[i].at, words_[i].wanted);
        for (uint32_t i = 0; i < count; i++) store(words_[i].at, words_[i].found);
      }
      state_.store(State::kIdle, std::memory_order_release);
    }
  }
  void write_by_load() {
    const uint32_t count = count_.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
      if (words_[i].comes == loads_) store(words_[i].at, words_[i].wanted);
      if (words_[i].goes == loads_) store(words_[i].at, words_[i].found);
    }
    loads_++;
  }

  std::atomic<State> state_{State::kIdle};
  std::atomic<uint32_t> count_{0};
  Word words_[kMost];
  bool threaded_ = false;
  uint32_t loads_ = 0;
  uint32_t runs_ = 0, raced_ = 0;
};

}  // namespace usvhost::fuzz
