// SPDX-License-Identifier: Apache-2.0
// The few things that are asked of the processor itself: pause, prefetch, clocks, pinning.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <cstdint>

namespace usvhost {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

inline void prefetch_read(const void* address) { __builtin_prefetch(address, 0, 3); }
/** Fetches the line to own it, so that a store need not ask the other CPUs for it again. */
inline void prefetch_write(const void* address) {
#if defined(__x86_64__)
  // The compiler's own fetches it to read, unless it may count on the instruction; a processor that has none passes over it.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1, 3);
#endif
}

inline uint64_t monotonic_nanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

/** Seconds since boot, a few milliseconds coarse and a few nanoseconds cheap: for ages, never for rates. */
inline uint32_t coarse_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint32_t>(now.tv_sec);
}

/** Pins the calling thread; false when the CPU does not exist or is outside the cgroup's cpuset. */
inline bool pin_to_cpu(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

/** Moves the calling thread to a CPU while it lives, and gives it its CPUs back. A CPU that it may not have, or -1, changes nothing. */
class CpuVisit {
 public:
  explicit CpuVisit(int cpu)
      : moved_(pthread_getaffinity_np(pthread_self(), sizeof before_, &before_) == 0 && pin_to_cpu(cpu)) {}
  ~CpuVisit() {
    if (moved_) pthread_setaffinity_np(pthread_self(), sizeof before_, &before_);
  }
  CpuVisit(const CpuVisit&) = delete;
  CpuVisit& operator=(const CpuVisit&) = delete;

 private:
  cpu_set_t before_;
  bool moved_;
};

}  // namespace usvhost
