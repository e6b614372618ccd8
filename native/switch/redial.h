// SPDX-License-Identifier: Apache-2.0
// When a port that connects to its pod tries next. Holds the time and the pause only; the control thread does the rest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace usvhost {

class Redial {
 public:
  /** Monotonic nanoseconds of the next attempt; UINT64_MAX while none is wanted. */
  uint64_t due() const { return due_; }
  /** The first attempt is due at once. */
  void begin() { due_ = 0; }
  /** An attempt led to a connection. Its reasons to fail are news again afterwards. */
  void connected() {
    due_ = UINT64_MAX;
    told_.clear();
  }
  /** The connection works: when it ends, the pauses begin anew. One that never did must not be tried at full speed. */
  void proved() { pause_millis_ = kMinMillis; }
  /** An attempt failed, or a connection ended. */
  void again(uint64_t now) {
    due_ = now + pause_millis_ * 1'000'000u;
    pause_millis_ = std::min(pause_millis_ * 2, kMaxMillis);
  }
  /** True when this reason is another one than the last. */
  bool news(const std::string& reason) {
    if (reason == told_) return false;
    told_ = reason;
    return true;
  }

 private:
  static constexpr uint64_t kMinMillis = 5;
  static constexpr uint64_t kMaxMillis = 500;

  uint64_t due_ = UINT64_MAX;
  uint64_t pause_millis_ = kMinMillis;
  std::string told_;
};

}  // namespace usvhost
