// SPDX-License-Identifier: Apache-2.0
// Steps on network interfaces, all inside the pod's network namespace. The host's namespace is never touched.
#pragma once

#include "bytes.h"
#include "netlink.h"
#include "netns.h"
#include "protocol.h"

namespace usvhost::shim {

class Links {
 public:
  explicit Links(const char* netnsPath) : netns_(netnsPath) {}

  // Every function returns errno, 0 when done.

  // Makes a persistent tap that exists only when the whole step has worked; EEXIST when the name is taken.
  int tapAdd(const TapAdd& step);
  // Removes the tap with that name if its alias is the given one; ENODEV when absent, EPERM when it is not
  // ours.
  int tapDelete(const TapDelete& step);
  int addressAdd(const AddressAdd& step);
  int routeAdd(const RouteAdd& step);
  int up(const LinkStep& step);
  int get(const char* ifname, LinkInfo* out);
  int addresses(const LinkStep& step, Bytes* out);

 private:
  int connect();
  int configureTap(const TapAdd& step, uint32_t index);

  Netns netns_;
  Netlink netlink_;
};

}  // namespace usvhost::shim
