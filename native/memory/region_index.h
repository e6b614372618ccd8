// SPDX-License-Identifier: Apache-2.0
// The numbers of up to eight regions, laid out for looking one up: one subtraction for the first, where most front-ends have
// all their memory, and four regions at a time for the others where the processor can.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace usvhost {

inline constexpr size_t kMaxRegions = 8;  // vhost-user SET_MEM_TABLE: at most 8 without CONFIGURE_MEM_SLOTS

class RegionIndex {
 public:
  /** Regions are disjoint, and none wraps: whoever sets them has checked that. */
  void set(size_t slot, uint64_t start, uint64_t size, uint8_t* base) {
    starts_[slot] = start;
    sizes_[slot] = size;
    bases_[slot] = base;
  }
  /** A slot of size 0 contains no address. */
  void clear(size_t slot) { set(slot, 0, 0, nullptr); }

  /** An address with its length, or null when not all of [address, address + length) lies in one region. */
  [[gnu::always_inline]] uint8_t* translate(uint64_t address, uint64_t length) const {
    uint64_t offset = address - starts_[0];
    if (offset < sizes_[0] && length <= sizes_[0] - offset) [[likely]]
      return bases_[0] + offset;
    return translate_elsewhere(address, length);
  }

  /** The slot that contains the address, or -1. */
  int find(uint64_t address) const {
#if defined(__x86_64__)
    if (kHasAvx2) [[likely]]
      return find_avx2(address);
#endif
    return find_scalar(address);
  }
  int find_scalar(uint64_t address) const {
    for (size_t i = 0; i < kMaxRegions; i++) {
      if (address - starts_[i] < sizes_[i]) return static_cast<int>(i);
    }
    return -1;
  }
#if defined(__x86_64__)
  static bool has_avx2() { return kHasAvx2; }
  /** As find_scalar(), without a branch for each region. */
  __attribute__((target("avx2"))) int find_avx2(uint64_t address) const {
    // There is no unsigned comparison; with the highest bit turned over the signed one gives the same.
    const __m256i turn = _mm256_set1_epi64x(INT64_MIN);
    const __m256i wanted = _mm256_set1_epi64x(static_cast<int64_t>(address));
    unsigned hits = 0;
    for (size_t i = 0; i < kMaxRegions; i += 4) {
      __m256i starts = _mm256_load_si256(reinterpret_cast<const __m256i*>(starts_ + i));
      __m256i sizes = _mm256_load_si256(reinterpret_cast<const __m256i*>(sizes_ + i));
      __m256i offsets = _mm256_sub_epi64(wanted, starts);
      __m256i inside = _mm256_cmpgt_epi64(_mm256_xor_si256(sizes, turn), _mm256_xor_si256(offsets, turn));
      hits |= static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(inside))) << i;
    }
    return hits == 0 ? -1 : __builtin_ctz(hits);
  }
#endif

 private:
  [[gnu::noinline]] uint8_t* translate_elsewhere(uint64_t address, uint64_t length) const {
    return translate_by(find(address), address, length);
  }
  uint8_t* translate_by(int slot, uint64_t address, uint64_t length) const {
    if (slot < 0) return nullptr;
    uint64_t offset = address - starts_[slot];
    return length <= sizes_[slot] - offset ? bases_[slot] + offset : nullptr;
  }

#if defined(__x86_64__)
  static const bool kHasAvx2;
#endif
  alignas(64) uint64_t starts_[kMaxRegions] = {};
  alignas(64) uint64_t sizes_[kMaxRegions] = {};
  uint8_t* bases_[kMaxRegions] = {};
};

#if defined(__x86_64__)
inline const bool RegionIndex::kHasAvx2 = [] {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0;
}();
#endif

}  // namespace usvhost
