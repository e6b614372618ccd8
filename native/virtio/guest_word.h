// SPDX-License-Identifier: Apache-2.0
// Access to words that the other side of a ring writes while we look: each is loaded exactly once into a local,
// and no compiler may load it again (a check and a use of two different values is how back-ends were broken).
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "virtio/uapi.h"

namespace usvhost {

#if defined(USVHOST_FUZZ)
/** In fuzz targets only: what the other side does right after a load, so that a race can be played by the load. */
inline constinit thread_local void (*after_load)() = nullptr;
template <class T>
inline T loaded(T value) {
  if (after_load != nullptr) after_load();
  return value;
}
#else
template <class T>
inline T loaded(T value) {
  return value;
}
#endif

template <class T>
inline T load_once(const T* word) {
  return loaded(__atomic_load_n(word, __ATOMIC_RELAXED));
}
template <class T>
inline T load_acquire(const T* word) {
  return loaded(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}
template <class T>
inline void store_plain(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
template <class T>
inline void store_release(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

typedef uint64_t UnalignedWord __attribute__((aligned(1), may_alias));

/** Loads eight bytes exactly once, at any address, whatever the compiler would prefer. */
inline uint64_t load_bytes_once(const uint8_t* bytes) {
  return loaded<uint64_t>(*reinterpret_cast<const volatile UnalignedWord*>(bytes));
}

/** A private copy of a descriptor, taken with two loads of eight bytes (virtio 1.2, 2.7.5). */
inline vring_desc load_descriptor(const vring_desc* descriptor) {
  const auto* words = reinterpret_cast<const uint64_t*>(descriptor);
  uint64_t address = load_once(words);
  uint64_t rest = load_once(words + 1);
  // Field by field they stay in registers; the protocol is little-endian, as every machine is that this is built for.
  return {address, static_cast<uint32_t>(rest), static_cast<uint16_t>(rest >> 32), static_cast<uint16_t>(rest >> 48)};
}

/** Orders our index before the peer's suppression flag; needs both sides to have it (virtio 1.2, 2.7.7 and 2.7.10). */
inline void full_fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // namespace usvhost
