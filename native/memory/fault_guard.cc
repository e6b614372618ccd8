// SPDX-License-Identifier: Apache-2.0
#include "memory/fault_guard.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

namespace usvhost {

namespace {

// 8 regions for each of 1024 ports. The handler may run at any instruction of any thread, so the table is fixed,
// never locked by the handler, and a slot's bounds are published last and withdrawn first.
constexpr int kSlots = 8192;

struct Slot {
  std::atomic<uintptr_t> base{0};
  std::atomic<size_t> size{0};
  std::atomic<bool> faulted{false};
};

Slot slots[kSlots];
std::atomic<int> slots_used{0};
std::mutex slots_mutex;
std::atomic<int> fault_event{-1};
struct sigaction previous_action;

bool absorb(uintptr_t address) {
  int used = slots_used.load(std::memory_order_acquire);
  for (int i = 0; i < used; i++) {
    uintptr_t base = slots[i].base.load(std::memory_order_acquire);
    size_t size = slots[i].size.load(std::memory_order_relaxed);
    if (base == 0 || address - base >= size) continue;
    // Anonymous memory over the whole region: the next accesses read zeroes and write nowhere. The bare system call: mmap()
    // is not on the list of signal-safe functions, and a sanitizer's version of it is none.
    long placed = syscall(SYS_mmap, base, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (placed == -1) return false;
    slots[i].faulted.store(true, std::memory_order_release);
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(fault_event.load(std::memory_order_relaxed), &one, sizeof one);
    return true;
  }
  return false;
}

void on_sigbus(int signal_number, siginfo_t* info, void* context) {
  int saved_errno = errno;
  bool absorbed = info->si_code > 0 && absorb(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved_errno;
  if (absorbed) return;
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
  } else {
    // Not ours: restore the default, so that returning repeats the access and the process ends as it should.
    signal(SIGBUS, SIG_DFL);
  }
}

}  // namespace

Status FaultGuard::install() {
  static std::mutex install_mutex;
  static bool installed = false;
  std::lock_guard lock(install_mutex);
  if (installed) return {};
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return system_failure("USV_IO", "eventfd");
  fault_event.store(event);
  struct sigaction action{};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &previous_action) != 0) return system_failure("USV_IO", "sigaction(SIGBUS)");
  installed = true;
  return {};
}

int FaultGuard::wake_fd() { return fault_event.load(std::memory_order_relaxed); }

int FaultGuard::add(void* base, size_t size) {
  std::lock_guard lock(slots_mutex);
  for (int i = 0; i < kSlots; i++) {
    if (slots[i].base.load(std::memory_order_relaxed) != 0) continue;
    slots[i].faulted.store(false, std::memory_order_relaxed);
    slots[i].size.store(size, std::memory_order_relaxed);
    slots[i].base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
    if (i >= slots_used.load(std::memory_order_relaxed)) slots_used.store(i + 1, std::memory_order_release);
    return i;
  }
  return -1;
}

void FaultGuard::remove(int slot) {
  std::lock_guard lock(slots_mutex);
  slots[slot].base.store(0, std::memory_order_release);
}

bool FaultGuard::faulted(int slot) { return slots[slot].faulted.load(std::memory_order_acquire); }

}  // namespace usvhost
