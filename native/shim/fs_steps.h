// SPDX-License-Identifier: Apache-2.0
// Steps on files and mounts. Each returns errno (0 when done) and leaves nothing half made when it fails.
#pragma once

#include "bytes.h"
#include "confined.h"
#include "host_mounts.h"
#include "protocol.h"

namespace usvhost::shim {

int makeDirectory(const ConfinedDir& run, const Mkdir& step);
int removeDirectory(const ConfinedDir& run, const HostMounts& mounts, const PathStep& step);
int writeFile(const ConfinedDir& run, const WriteFile& step, const uint8_t* content, size_t size);
int unlinkFile(const ConfinedDir& run, const PathStep& step);

// Lays the source directory over the target, nosuid, nodev and noexec, private to no peer group of its own
// making.
int bindDirectory(const ConfinedDir& run, const HostMounts& mounts, const Bind& step);

// Lays an empty tmpfs of a bounded size over a directory: nosuid, nodev, noexec, and without symbolic links: whoever
// goes through this mount follows none.
int mountSmallFs(const ConfinedDir& run, const HostMounts& mounts, const SmallFs& step);

// Detaches the topmost mount on the path; EINVAL when none lies there.
int unmountDirectory(const ConfinedDir& run, const HostMounts& mounts, const PathStep& step);
int statPath(const ConfinedDir& run, const PathStep& step, StatInfo* out);

}  // namespace usvhost::shim
