// SPDX-License-Identifier: Apache-2.0
// How a program of the benchmarks ends when something is not as it has to be: a line on standard error and status 1, since what it
// would measure then means nothing.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/status.h"

namespace usvhost {

/** Ends the process. `what` failed, `why` says what was expected and what came. */
[[noreturn]] inline void fail(const char* what, const std::string& why) {
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why.c_str());
  std::exit(1);
}

/** Ends the process unless `status` is a success. */
inline void check(const Status& status, const char* what) {
  if (!status.ok()) fail(what, status.describe());
}

}  // namespace usvhost
