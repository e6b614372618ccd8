// SPDX-License-Identifier: Apache-2.0
// The result of an operation that can fail for a reason worth telling: an error code of the project's one
// table (lib/errors.ts) and a sentence. The core throws nothing.
#pragma once

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

namespace usvhost {

struct [[nodiscard]] Status {
  const char* code = nullptr;  // a key of lib/errors.ts, null on success
  std::string text;

  bool ok() const { return code == nullptr; }
  /** "CODE: text", or "" on success: the form that events and port states carry. */
  std::string describe() const { return ok() ? std::string() : std::string(code) + ": " + text; }
};

[[gnu::format(printf, 2, 3)]] inline Status failure(const char* code, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return {code, text};
}

/** A failed system call: `what` names the call and its object, errno supplies the cause. */
inline Status system_failure(const char* code, const std::string& what) {
  int cause = errno;
  return failure(code, "%s: %s", what.c_str(), strerror(cause));
}

}  // namespace usvhost
