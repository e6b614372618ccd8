// SPDX-License-Identifier: Apache-2.0
// rtnetlink over one blocking socket with a receive timeout.
#include "netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace usvhost::shim {

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags, const void* body, size_t size) {
  nlmsghdr* h = header();
  h->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(size));
  h->nlmsg_type = type;
  h->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  memcpy(NLMSG_DATA(h), body, size);
}

void NetlinkMessage::attribute(uint16_t type, const void* bytes, size_t size) {
  nlmsghdr* h = header();
  const size_t at = NLMSG_ALIGN(h->nlmsg_len);
  if (at + RTA_SPACE(size) > sizeof buffer_) {
    overflow_ = true;
    return;
  }
  auto* attribute = reinterpret_cast<rtattr*>(buffer_ + at);
  attribute->rta_type = type;
  attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  if (size > 0) memcpy(RTA_DATA(attribute), bytes, size);
  h->nlmsg_len = static_cast<uint32_t>(at + RTA_ALIGN(attribute->rta_len));
}

size_t NetlinkMessage::beginNest(uint16_t type) {
  const size_t start = NLMSG_ALIGN(header()->nlmsg_len);
  attribute(type, nullptr, 0);
  return start;
}

void NetlinkMessage::endNest(size_t start) {
  if (overflow_) return;
  reinterpret_cast<rtattr*>(buffer_ + start)->rta_len = static_cast<uint16_t>(header()->nlmsg_len - start);
}

int Netlink::open() {
  socket_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket_.valid()) return errno;
  const timeval timeout = {.tv_sec = 5, .tv_usec = 0};
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0) return errno;
  return 0;
}

int Netlink::request(NetlinkMessage& message) {
  message.header()->nlmsg_flags |= NLM_F_ACK;
  return query(message, nullptr, nullptr);
}

int Netlink::query(NetlinkMessage& message, void (*reply)(const nlmsghdr*, void*), void* context) {
  if (!message.fits()) return EMSGSIZE;
  nlmsghdr* h = message.header();
  h->nlmsg_seq = ++sequence_;
  const sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (sendto(socket_.get(), h, h->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return errno;
  }
  const bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  const bool acknowledged = (h->nlmsg_flags & NLM_F_ACK) != 0;
  alignas(nlmsghdr) uint8_t buffer[32768];
  for (;;) {
    const ssize_t received = recv(socket_.get(), buffer, sizeof buffer, MSG_TRUNC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    if (static_cast<size_t>(received) > sizeof buffer) return EMSGSIZE;
    size_t left = static_cast<size_t>(received);
    for (auto* at = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_seq != sequence_) continue;
      if (at->nlmsg_type == NLMSG_DONE) return 0;
      if (at->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(NLMSG_DATA(at))->error;
      if (reply != nullptr) reply(at, context);
      if (!dump && !acknowledged) return 0;
    }
  }
}

}  // namespace usvhost::shim
