// SPDX-License-Identifier: Apache-2.0
// Keeps the process alive when a pod truncates the file behind a mapped region: the SIGBUS of the next access is
// answered by placing zero pages over that region, marking it dead, and going on. Only the owner's port ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace usvhost {

class FaultGuard {
 public:
  /** Installs the handler once per process (chained to the previous one). `wake_fd` is an eventfd written on each fault. */
  static Status install();
  /** The eventfd that becomes readable after a fault, so that the control side closes the dead port. */
  static int wake_fd();

  /** Guards [base, base + size). Returns a slot, or -1 when all slots are taken (the region must then be refused). */
  static int add(void* base, size_t size);
  /** Undo of add(); the mapping is still there when this is called. */
  static void remove(int slot);
  /** True once an access to the region of `slot` has faulted. */
  static bool faulted(int slot);
};

}  // namespace usvhost
