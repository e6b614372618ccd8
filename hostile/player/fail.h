// SPDX-License-Identifier: Apache-2.0
// How the player ends when a step did not go as the script says: one line on standard error, status 1, at once. Threads
// that still write into shared memory end with the process.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace hostile {

/** The step that is being played, as it stands in the script; it goes before every message. */
inline std::string current_step;  // NOLINT: a program of one script has one current step

[[noreturn]] __attribute__((format(printf, 1, 2))) inline void fail(const char* form, ...) {
  char text[512];
  va_list values;
  va_start(values, form);
  vsnprintf(text, sizeof text, form, values);
  va_end(values);
  fprintf(stderr, "%s: %s\n", current_step.c_str(), text);
  fflush(stderr);
  _Exit(1);
}

/** No step waits longer than this for somebody else; only a failure takes so long. */
inline constexpr int kPatienceMillis = 10'000;

}  // namespace hostile
