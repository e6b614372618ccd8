// SPDX-License-Identifier: Apache-2.0
// From a step's record to the function that does it: sizes and terminators are checked here, so that the
// functions see whole records and C strings only.
#pragma once

#include "bytes.h"
#include "confined.h"
#include "host_mounts.h"
#include "link_steps.h"
#include "protocol.h"

namespace usvhost::shim {

struct Hands {
  const char* root;
  const HostMounts& mounts;
  const ConfinedDir& run;
  Links& links;
};

// Does one step (any kind but Finish). Returns false when the record breaks the protocol; else sets the
// report and its data.
bool perform(const Hands& hands, Kind kind, const Bytes& body, Report* report, Bytes* data);

}  // namespace usvhost::shim
