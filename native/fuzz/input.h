// SPDX-License-Identifier: Apache-2.0
// A fuzzer's bytes, taken from the front; zeroes when they are used up. And how a target says that something must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace usvhost::fuzz {

inline void expect(bool condition) {
  if (!condition) abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  uint8_t byte() { return number<uint8_t>(); }
  template <class T>
  T number() {
    T value = 0;
    bytes(reinterpret_cast<uint8_t*>(&value), sizeof value);
    return value;
  }
  /** Fills up to `wanted` bytes; returns how many there were. */
  size_t bytes(uint8_t* to, size_t wanted) {
    size_t got = std::min(wanted, left_);
    if (got != 0) std::memcpy(to, data_, got);
    data_ += got;
    left_ -= got;
    return got;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace usvhost::fuzz
