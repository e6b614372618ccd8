// SPDX-License-Identifier: Apache-2.0
// `usvhost ready SOCKET MILLIS`: waits until the dataplane behind its ready socket has all its links, for a hook or a probe of a container
// without a start of Node.
#pragma once

namespace usvhost::shim {

/** SOCKET is a path, or @name for an abstract socket. Returns 0 when the links are up, 1 when they are not after MILLIS, 2 on misuse. */
int ready(int count, char** arguments);

}  // namespace usvhost::shim
