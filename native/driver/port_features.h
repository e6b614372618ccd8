// SPDX-License-Identifier: Apache-2.0
// Which virtio features a port asks for, from its options, and whether what a back-end left of them is enough.
#pragma once

#include "base/status.h"
#include "driver/virtio_port.h"

namespace usvhost {

/** The bits to offer to a back-end. */
uint64_t wanted_features(const VirtioPort& port);

/** Fails with USV_FEATURES when the rings that were negotiated cannot have the port's size, or nobody has an address that is required. */
Status check_features(const VirtioPortOptions& options, uint64_t features);

}  // namespace usvhost
