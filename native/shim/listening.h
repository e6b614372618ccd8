// SPDX-License-Identifier: Apache-2.0
// `usvhost listening FILE`: whether somebody takes connections on a Unix socket, for a kubelet's probe: it is asked each few
// seconds for ever, and this costs a millisecond.
#pragma once

namespace usvhost::shim {

// `arguments`: the socket. Returns the exit status: 0 when it is so, 1 with the reason on standard error, 2 for wrong use.
int listening(int count, char** arguments);

}  // namespace usvhost::shim
