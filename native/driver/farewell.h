// SPDX-License-Identifier: Apache-2.0
// The end of a driver as its back-ends see it: each ring is stopped and each device reset before the connections close, so
// that nobody writes into buffers that are about to go (virtio 1.2, 3.3.1).
#pragma once

#include <functional>
#include <vector>

#include "vhost_user/front_end.h"
#include "vhost_user/stream.h"

namespace usvhost {

/** A connection of which to take leave; FrontEnd::leave() has been called. */
struct Leaving {
  std::reference_wrapper<MessageStream> stream;
  std::reference_wrapper<FrontEnd> front_end;
};

/**
 * Takes leave of all at a time. Returns when each has answered everything, has hung up or has erred, and after `millis` at
 * the latest. None of this is a failure: the connections close next, which is what a driver that was killed tells.
 */
void take_leave(std::vector<Leaving> links, uint32_t millis);

}  // namespace usvhost
