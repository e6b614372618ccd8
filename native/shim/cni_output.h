// SPDX-License-Identifier: Apache-2.0
// What the shim may say without an agent: the answer to VERSION and an error object. Both go to standard
// output, where libcni looks for them. The only JSON it ever reads are two strings of the input, by a bounded
// scan.
#pragma once

#include <cstddef>
#include <cstdint>

namespace usvhost::shim {

// Error codes of the CNI specification 1.1.0, section 2.
inline constexpr int kCodeEnvironment = 4;
inline constexpr int kCodeIo = 5;
inline constexpr int kCodeTryAgain = 11;
inline constexpr int kCodeNotAvailable = 50;

inline constexpr size_t kVersionSize = 16;

// Copies the value of a top-level key of a JSON text when that is a string without escapes and fits.
bool scanString(const uint8_t* text, size_t size, const char* key, char* out, size_t capacity);

// Copies the value of the top-level "cniVersion" of a JSON text; "1.1.0" when there is none that reads d.d.d.
void scanVersion(const uint8_t* text, size_t size, char (&out)[kVersionSize]);

void printVersions(const char* version);

// Prints {cniVersion, code, msg, details}. Control characters and quotes in the texts are escaped.
void printError(const char* version, int code, const char* message, const char* details);

// Writes all bytes to standard output. Returns errno.
int writeOutput(const void* bytes, size_t size);

}  // namespace usvhost::shim
