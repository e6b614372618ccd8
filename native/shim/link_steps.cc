// SPDX-License-Identifier: Apache-2.0
// Taps by /dev/net/tun, everything else by rtnetlink on one socket that was opened inside the pod's
// namespace.
#include "link_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace usvhost::shim {
namespace {

constexpr size_t kMaxAddresses = 256;

int addressFamily(uint8_t family) { return family == 4 ? AF_INET : AF_INET6; }
size_t addressSize(uint8_t family) { return family == 4 ? 4 : 16; }
bool isFamily(uint8_t family, uint8_t prefix) {
  return (family == 4 && prefix <= 32) || (family == 6 && prefix <= 128);
}

// Copies at most size - 1 bytes of an attribute's text; the rest stays NUL.
void copyText(const rtattr* attribute, char* out, size_t size) {
  const size_t length = RTA_PAYLOAD(attribute);
  memcpy(out, RTA_DATA(attribute), length < size - 1 ? length : size - 1);
}

void readLink(const nlmsghdr* message, void* context) {
  if (message->nlmsg_type != RTM_NEWLINK) return;
  auto* out = static_cast<LinkInfo*>(context);
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  out->index = static_cast<uint32_t>(info->ifi_index);
  out->flags = info->ifi_flags;
  size_t left = IFLA_PAYLOAD(message);
  for (const rtattr* at = IFLA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == IFLA_MTU && RTA_PAYLOAD(at) == sizeof out->mtu)
      memcpy(&out->mtu, RTA_DATA(at), sizeof out->mtu);
    if (at->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(at) == 6) memcpy(out->mac, RTA_DATA(at), 6);
    if (at->rta_type == IFLA_IFALIAS) copyText(at, out->alias, sizeof out->alias);
    if (at->rta_type != IFLA_LINKINFO) continue;
    size_t inner = RTA_PAYLOAD(at);
    for (auto* kind = static_cast<const rtattr*>(RTA_DATA(at)); RTA_OK(kind, inner); kind = RTA_NEXT(kind, inner)) {
      if (kind->rta_type == IFLA_INFO_KIND) copyText(kind, out->kind, sizeof out->kind);
    }
  }
}

struct AddressQuery {
  uint32_t index;
  Bytes* out;
};

void readAddress(const nlmsghdr* message, void* context) {
  auto* query = static_cast<AddressQuery*>(context);
  const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(message));
  if (message->nlmsg_type != RTM_NEWADDR || info->ifa_index != query->index) return;
  if (query->out->size() >= kMaxAddresses * sizeof(AddressInfo)) return;
  AddressInfo address = {};
  address.family = info->ifa_family == AF_INET ? 4 : 6;
  address.prefix = info->ifa_prefixlen;
  size_t left = IFA_PAYLOAD(message);
  bool local = false;
  for (const rtattr* at = IFA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (RTA_PAYLOAD(at) != addressSize(address.family)) continue;
    // On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL wins where both are there.
    if (at->rta_type == IFA_LOCAL || (at->rta_type == IFA_ADDRESS && !local)) {
      memcpy(address.address, RTA_DATA(at), RTA_PAYLOAD(at));
      local = at->rta_type == IFA_LOCAL;
    }
  }
  query->out->append(&address, sizeof address);
}

}  // namespace

int Links::connect() {
  if (netlink_.isOpen()) return 0;
  if (const int error = netns_.open(); error != 0) return error;
  const NetnsScope inside(netns_);
  return inside.error() != 0 ? inside.error() : netlink_.open();
}

int Links::get(const char* ifname, LinkInfo* out) {
  *out = LinkInfo{};
  if (const int error = connect(); error != 0) return error;
  const ifinfomsg body = {};
  NetlinkMessage message(RTM_GETLINK, 0, &body, sizeof body);
  message.attribute(IFLA_IFNAME, ifname, strlen(ifname) + 1);
  return netlink_.query(message, readLink, out);
}

int Links::tapAdd(const TapAdd& step) {
  if (const int error = connect(); error != 0) return error;
  LinkInfo link;
  // The kernel's own refusals of a taken name depend on what has it; one errno for all is clearer.
  if (const int error = get(step.ifname, &link); error != ENODEV) return error == 0 ? EEXIST : error;
  ifreq request = {};
  memcpy(request.ifr_name, step.ifname, sizeof request.ifr_name);
  // EXCL: without it the kernel would attach us to somebody else's tap of that name.
  unsigned flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL;
  if ((step.flags & kTapMultiQueue) != 0) flags |= IFF_MULTI_QUEUE;
  request.ifr_flags = static_cast<short>(flags);
  Fd tun;
  {
    // The interface is born in the namespace in which the device file is opened.
    const NetnsScope inside(netns_);
    if (inside.error() != 0) return inside.error();
    tun = Fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!tun.valid()) return errno;
    if (ioctl(tun.get(), TUNSETIFF, &request) != 0) return errno;
  }
  // The undo of all of this is the end of `tun`: the tap lives on only after TUNSETPERSIST, which comes last.
  if (strncmp(request.ifr_name, step.ifname, sizeof request.ifr_name) != 0) return EINVAL;
  if (const int error = get(step.ifname, &link); error != 0) return error;
  if (ioctl(tun.get(), TUNSETOWNER, step.uid) != 0) return errno;
  if (const int error = configureTap(step, link.index); error != 0) return error;
  return ioctl(tun.get(), TUNSETPERSIST, 1) == 0 ? 0 : errno;
}

int Links::configureTap(const TapAdd& step, uint32_t index) {
  ifinfomsg body = {};
  body.ifi_index = static_cast<int>(index);
  NetlinkMessage message(RTM_SETLINK, 0, &body, sizeof body);
  message.attribute(IFLA_ADDRESS, step.mac, sizeof step.mac);
  message.attributeU32(IFLA_MTU, step.mtu);
  message.attribute(IFLA_IFALIAS, step.alias, strlen(step.alias));
  return netlink_.request(message);
}

int Links::tapDelete(const TapDelete& step) {
  LinkInfo link;
  if (const int error = get(step.ifname, &link); error != 0) return error;
  if (strcmp(link.kind, "tun") != 0 || strncmp(link.alias, step.alias, sizeof link.alias) != 0) return EPERM;
  ifinfomsg body = {};
  body.ifi_index = static_cast<int>(link.index);
  NetlinkMessage message(RTM_DELLINK, 0, &body, sizeof body);
  return netlink_.request(message);
}

int Links::addressAdd(const AddressAdd& step) {
  if (!isFamily(step.family, step.prefix)) return EINVAL;
  LinkInfo link;
  if (const int error = get(step.ifname, &link); error != 0) return error;
  ifaddrmsg body = {};
  body.ifa_family = static_cast<uint8_t>(addressFamily(step.family));
  body.ifa_prefixlen = step.prefix;
  body.ifa_index = link.index;
  // No duplicate detection: the tap has no carrier until a dataplane attaches, and a tentative address cannot
  // be bound.
  if (step.family == 6) body.ifa_flags = IFA_F_NODAD;
  NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  message.attribute(IFA_LOCAL, step.address, addressSize(step.family));
  message.attribute(IFA_ADDRESS, step.address, addressSize(step.family));
  if (step.family == 4 && step.prefix < 31) {
    uint8_t broadcast[4];
    for (unsigned i = 0; i < 4; i++) {
      const unsigned hostBits = step.prefix >= (i + 1) * 8 ? 0 : step.prefix <= i * 8 ? 8 : (i + 1) * 8 - step.prefix;
      broadcast[i] = static_cast<uint8_t>(step.address[i] | ((1u << hostBits) - 1));
    }
    message.attribute(IFA_BROADCAST, broadcast, sizeof broadcast);
  }
  return netlink_.request(message);
}

int Links::routeAdd(const RouteAdd& step) {
  if (!isFamily(step.family, step.prefix)) return EINVAL;
  LinkInfo link;
  if (const int error = get(step.ifname, &link); error != 0) return error;
  rtmsg body = {};
  body.rtm_family = static_cast<uint8_t>(addressFamily(step.family));
  body.rtm_dst_len = step.prefix;
  // Tables from 256 on fit in the attribute only.
  body.rtm_table = RT_TABLE_MAIN;
  if (step.table != 0) body.rtm_table = step.table < 256 ? static_cast<uint8_t>(step.table) : 0;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = step.scope;
  if (step.scope == 255) body.rtm_scope = step.hasGateway != 0 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body.rtm_type = RTN_UNICAST;
  // Append: two interfaces of a pod may well have the same network behind them.
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &body, sizeof body);
  if (step.prefix > 0) message.attribute(RTA_DST, step.destination, addressSize(step.family));
  if (step.hasGateway != 0) message.attribute(RTA_GATEWAY, step.gateway, addressSize(step.family));
  message.attributeU32(RTA_OIF, link.index);
  if (step.priority != 0) message.attributeU32(RTA_PRIORITY, step.priority);
  if (step.table != 0) message.attributeU32(RTA_TABLE, step.table);
  if (step.mtu != 0 || step.advmss != 0) {
    const size_t metrics = message.beginNest(RTA_METRICS);
    if (step.mtu != 0) message.attributeU32(RTAX_MTU, step.mtu);
    if (step.advmss != 0) message.attributeU32(RTAX_ADVMSS, step.advmss);
    message.endNest(metrics);
  }
  return netlink_.request(message);
}

int Links::up(const LinkStep& step) {
  LinkInfo link;
  if (const int error = get(step.ifname, &link); error != 0) return error;
  ifinfomsg body = {};
  body.ifi_index = static_cast<int>(link.index);
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  NetlinkMessage message(RTM_SETLINK, 0, &body, sizeof body);
  return netlink_.request(message);
}

int Links::addresses(const LinkStep& step, Bytes* out) {
  LinkInfo link;
  if (const int error = get(step.ifname, &link); error != 0) return error;
  const ifaddrmsg body = {};
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP, &body, sizeof body);
  AddressQuery query = {.index = link.index, .out = out};
  return netlink_.query(message, readAddress, &query);
}

}  // namespace usvhost::shim
