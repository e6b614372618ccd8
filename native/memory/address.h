// SPDX-License-Identifier: Apache-2.0
// The one place that says what number stands in a descriptor: the front-end's own virtual address (the RFC
// "virtio support for container", patch 3: a container has no physical addresses that a back-end could use).
#pragma once

#include <cstdint>

namespace usvhost {

inline uint64_t guest_address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace usvhost
