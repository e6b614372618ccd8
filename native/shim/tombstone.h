// SPDX-License-Identifier: Apache-2.0
// A DEL without an agent: a pod's end must not wait for one. The request is written down for the next agent
// (cni/tombstone.ts reads it), then what is known to be this attachment's without any record is taken away: the
// tap by its alias, the mount by the port it shows. Everything else is left to the agent.
#pragma once

#include "bytes.h"
#include "confined.h"
#include "host_mounts.h"
#include "link_steps.h"
#include "protocol.h"

namespace usvhost::shim {

// Writes <root>/var/lib/usvhost/tombstones/<hash of the content>: a frame with the request, whole or not at all.
// Returns errno; then nothing is remembered, and the DEL must fail.
int writeTombstone(const char* root, const Request& request, const Bytes& values);

// Takes away what it can. What fails is in the tombstone.
void deleteAlone(const HostMounts& mounts, const ConfinedDir& run, Links& links, const char* containerId,
                 const char* ifname);

}  // namespace usvhost::shim
