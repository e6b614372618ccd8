// SPDX-License-Identifier: Apache-2.0
// Small owners for the shim: a descriptor that closes itself and a growing byte buffer with a limit. No
// library beyond libc, no exceptions: every allocation that can fail says so.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace usvhost::shim {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { free(data_); }

  const uint8_t* data() const { return data_; }
  uint8_t* data() { return data_; }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }

  // Grows by n bytes and returns where they start, or null when there is no memory.
  uint8_t* extend(size_t n) {
    if (size_ + n > capacity_) {
      size_t capacity = capacity_ == 0 ? 4096 : capacity_;
      while (capacity < size_ + n) capacity *= 2;
      auto* grown = static_cast<uint8_t*>(realloc(data_, capacity));
      if (grown == nullptr) return nullptr;
      data_ = grown;
      capacity_ = capacity;
    }
    uint8_t* at = data_ + size_;
    size_ += n;
    return at;
  }
  void shrink(size_t size) { size_ = size; }
  bool append(const void* bytes, size_t n) {
    if (n == 0) return true;
    uint8_t* at = extend(n);
    if (at == nullptr) return false;
    memcpy(at, bytes, n);
    return true;
  }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// True when the array holds a NUL, so that it may be used as a C string.
template <size_t N>
bool isTerminated(const char (&text)[N]) {
  return memchr(text, 0, N) != nullptr;
}

}  // namespace usvhost::shim
