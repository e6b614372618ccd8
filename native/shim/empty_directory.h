// SPDX-License-Identifier: Apache-2.0
// Removes what a pod has left in a directory that was open to it, whoever owns it and whatever its modes are.
#pragma once

#include "confined.h"
#include "protocol.h"

namespace usvhost::shim {

// Empties the directory as far as it can within a bound; follows no link and enters no other mount. What is left shows when
// the directory is removed. Returns errno of finding it.
int emptyDirectory(const ConfinedDir& run, const PathStep& step);

}  // namespace usvhost::shim
