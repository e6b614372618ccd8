// SPDX-License-Identifier: Apache-2.0
// Running a delegated CNI plugin (IPAM) found on CNI_PATH. It gets the shim's own environment with another
// CNI_COMMAND and the variables of the attachment it is run for, and nothing else of the shim: no descriptor, no signal
// mask.
#pragma once

#include "bytes.h"
#include "protocol.h"

namespace usvhost::shim {

// Returns errno: ENOENT when no directory of CNI_PATH has the plugin, ETIMEDOUT when it was killed at the
// deadline, EFBIG when it wrote over 1 MiB. On 0 the exit status and the standard output are set.
int runPlugin(const Exec& step, const uint8_t* input, size_t size, int32_t* exitStatus, Bytes* output);

// The same for another container's attachment.
int runPluginFor(const ExecFor& step, const uint8_t* input, size_t size, int32_t* exitStatus, Bytes* output);

}  // namespace usvhost::shim
