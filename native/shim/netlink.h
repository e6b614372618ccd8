// SPDX-License-Identifier: Apache-2.0
// A small rtnetlink client: builds one message, sends it, and returns the kernel's own verdict. It never
// sends without asking for an acknowledgement and never guesses what an unanswered message did.
#pragma once

#include <linux/netlink.h>

#include "bytes.h"

namespace usvhost::shim {

class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags, const void* body, size_t size);
  void attribute(uint16_t type, const void* bytes, size_t size);
  void attributeU32(uint16_t type, uint32_t value) { attribute(type, &value, sizeof value); }
  // Attributes added between the two lie inside the nested one.
  size_t beginNest(uint16_t type);
  void endNest(size_t start);

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_); }
  bool fits() const { return !overflow_; }

 private:
  alignas(nlmsghdr) uint8_t buffer_[1024] = {};
  bool overflow_ = false;
};

class Netlink {
 public:
  // Opens the socket in the network namespace the thread is in; the socket stays there. Returns errno.
  int open();
  bool isOpen() const { return socket_.valid(); }

  // Sends and waits for the acknowledgement. Returns the kernel's errno.
  int request(NetlinkMessage& message);

  // Sends a get request; `reply` receives each answering message until the end. Returns errno.
  int query(NetlinkMessage& message, void (*reply)(const nlmsghdr*, void*), void* context);

 private:
  Fd socket_;
  uint32_t sequence_ = 0;
};

}  // namespace usvhost::shim
