// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) of a whole text: names that the agent makes by it have to be known without the agent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace usvhost::shim {

// Writes the first `digits` hexadecimal digits (at most 64) and a NUL.
void sha256Hex(const void* bytes, size_t size, size_t digits, char* out);

}  // namespace usvhost::shim
