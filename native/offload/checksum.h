// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) over bytes of foreign memory, alone or while they are copied. A sum is of the bytes that
// were written: each word is loaded once, so a sender that keeps writing cannot get a sum of one frame and bytes of another.
#pragma once

#include <cstdint>
#include <cstring>

namespace usvhost {

namespace checksum_detail {

typedef uint64_t Pair __attribute__((vector_size(16)));

/** Keeps the compiler from loading `value` a second time from where it came from. */
inline void settle(Pair& value) {
#if defined(__x86_64__)
  asm("" : "+x"(value));
#elif defined(__aarch64__)
  asm("" : "+w"(value));
#else
  asm volatile("" : "+m"(value));
#endif
}

/** Sum of 16-bit words in the machine's own order, as RFC 1071, 2 (B) allows; an odd last byte is followed by a zero. */
template <bool kCopy>
inline uint64_t sum(uint8_t* to, const uint8_t* from, uint32_t length) {
  // Halves of 32 bits in lanes of 64: no carry is lost before 2^32 blocks. Two accumulators, so that adds do not wait.
  constexpr Pair kLow = {UINT32_MAX, UINT32_MAX};
  Pair low = {}, high = {};
  auto take = [&](uint32_t at) {
    Pair words;
    std::memcpy(&words, from + at, sizeof words);
    settle(words);
    if constexpr (kCopy) std::memcpy(to + at, &words, sizeof words);
    low += words & kLow;
    high += words >> 32;
  };
  uint32_t done = 0;
  for (; length - done >= 64; done += 64) {
    take(done);
    take(done + 16);
    take(done + 32);
    take(done + 48);
  }
  for (; length - done >= 16; done += 16) take(done);
  Pair total = low + high;
  uint64_t result = total[0] + total[1];
  if (uint32_t left = length - done; left != 0) {
    Pair words = {};
    std::memcpy(&words, from + done, left);
    settle(words);
    if constexpr (kCopy) std::memcpy(to + done, &words, left);
    Pair last = (words & kLow) + (words >> 32);
    result += last[0] + last[1];
  }
  return result;
}

}  // namespace checksum_detail

/** The unfolded sum of `length` bytes as they lie in memory; add such sums freely, below 2^32 bytes nothing overflows. */
inline uint64_t sum_bytes(const uint8_t* from, uint32_t length) {
  return checksum_detail::sum<false>(nullptr, from, length);
}
/** Copies and sums what was copied. The areas do not overlap. */
inline uint64_t copy_and_sum(uint8_t* to, const uint8_t* from, uint32_t length) {
  return checksum_detail::sum<true>(to, from, length);
}

/** End-around carries down to 16 bits, in the order of the bytes in memory. */
inline uint16_t fold_sum(uint64_t sum) {
  sum = (sum >> 32) + (sum & UINT32_MAX);
  sum = (sum >> 32) + (sum & UINT32_MAX);
  sum = (sum >> 16) + (sum & UINT16_MAX);
  sum = (sum >> 16) + (sum & UINT16_MAX);
  sum = (sum >> 16) + (sum & UINT16_MAX);
  return static_cast<uint16_t>(sum);
}

/** A folded sum in a header. Sums have the machine's own order, so they are moved as they are and never converted. */
inline uint16_t load_sum(const uint8_t* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store_sum(uint8_t* to, uint16_t value) { std::memcpy(to, &value, sizeof value); }

/** A sum over pieces that follow each other, whatever their lengths: what starts at an odd byte is swapped (RFC 1071, 2 (B)). */
class RunningSum {
 public:
  void add(uint64_t piece_sum, uint32_t length) {
    uint16_t folded = fold_sum(piece_sum);
    sum_ += odd_ ? __builtin_bswap16(folded) : folded;
    odd_ ^= (length & 1) != 0;
  }
  /** Folded, not complemented. */
  uint16_t value() const { return fold_sum(sum_); }

 private:
  uint64_t sum_ = 0;
  bool odd_ = false;
};

}  // namespace usvhost
