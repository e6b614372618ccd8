// SPDX-License-Identifier: Apache-2.0
// `usvhost allocate NODE BYTES FILE`: the file of a memory slice, for the agent, which has neither call. Every page is
// allocated and of zeroes; with a node (`-` is none) each is of its memory, or there is none.
#pragma once

namespace usvhost::shim {

// `arguments`: node, bytes, file. Returns the exit status; the reason is on standard error.
int allocate(int count, char** arguments);

}  // namespace usvhost::shim
