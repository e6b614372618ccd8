// SPDX-License-Identifier: Apache-2.0
// What runs beside the script: threads that rewrite a word while the back-end reads it, and threads that notify without end.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "fail.h"
#include "file.h"
#include "ring.h"

namespace hostile {

inline void store(uint8_t* to, unsigned width, uint64_t value) {
  switch (width) {
    case 1: __atomic_store_n(to, static_cast<uint8_t>(value), __ATOMIC_RELEASE); return;
    case 2: __atomic_store_n(reinterpret_cast<uint16_t*>(to), static_cast<uint16_t>(value), __ATOMIC_RELEASE); return;
    case 4: __atomic_store_n(reinterpret_cast<uint32_t*>(to), static_cast<uint32_t>(value), __ATOMIC_RELEASE); return;
    case 8: __atomic_store_n(reinterpret_cast<uint64_t*>(to), value, __ATOMIC_RELEASE); return;
    default: fail("a word has 1, 2, 4 or 8 bytes");
  }
}

class Threads {
 public:
  ~Threads() { stop(); }

  /** Writes `first` and `second` in turns, as fast as it can. */
  void flip(uint8_t* word, unsigned width, uint64_t first, uint64_t second) {
    threads_.emplace_back([this, word, width, first, second] {
      while (!stopping_.load(std::memory_order_relaxed)) {
        store(word, width, first);
        store(word, width, second);
      }
    });
  }
  void storm(const File& event) {
    threads_.emplace_back([this, &event] {
      while (!stopping_.load(std::memory_order_relaxed)) signal(event);
    });
  }
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    stopping_ = false;
  }

 private:
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace hostile
