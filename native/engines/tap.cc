// SPDX-License-Identifier: Apache-2.0
#include "engines/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "base/cpu.h"
#include "offload/claim.h"
#include "virtio/net_header.h"

namespace usvhost {

namespace {
// So much is read before it is sent on: a burst of the largest frames would fill the peer's cache.
constexpr uint32_t kPassBytes = 256 * 1024;

/** Makes a header of what `told` claims, of checked numbers only; false when it may not claim that of such a frame. */
bool accept_header(const virtio_net_hdr& told, const Offloads& agreed, uint32_t length, virtio_net_hdr_mrg_rxbuf& out) {
  Claim claim;
  if (length < kEthernetBytes || read_claim(told, agreed, length, claim) != ClaimError::kNone) return false;
  claim.ecn = claim.segments() && (told.gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0;
  claim.header_bytes =
      claim.segments() ? told.hdr_len : uint16_t{0};  // at most the frame's length; the kernel parses for itself
  out = write_claim(claim, 1);
  return true;
}
}  // namespace

Status Tap::open() {
  if (options_.device.empty() || options_.device.size() >= IFNAMSIZ) {
    return failure("USV_TAP", "expected an interface name of 1 to %d bytes, got %zu", IFNAMSIZ - 1,
                   options_.device.size());
  }
  // Without this look TUNSETIFF would try to create a device of that name, and then blame a missing capability.
  if (if_nametoindex(options_.device.c_str()) == 0) {
    return failure("USV_TAP", "expected a tap device named %s in this network namespace, got none",
                   options_.device.c_str());
  }
  tap_.reset(::open(options_.node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tap_) return system_failure("USV_TAP", "open " + options_.node);
  ifreq request{};
  memcpy(request.ifr_name, options_.device.c_str(), options_.device.size() + 1);
  int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (options_.multi_queue ? IFF_MULTI_QUEUE : 0);
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(tap_.get(), TUNSETIFF, &request) != 0) return system_failure("USV_TAP", "attach to tap " + options_.device);
  // The header of the tap is the header of the ring, so a frame is read and written together with it.
  int header = static_cast<int>(kNetHeaderBytes);
  if (ioctl(tap_.get(), TUNSETVNETHDRSZ, &header) != 0) return system_failure("USV_TAP", "TUNSETVNETHDRSZ");
  // Asked for once to see whether the kernel knows them; it leaves nothing undone before a back-end has agreed.
  constexpr unsigned kAll = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  bool known = ioctl(tap_.get(), TUNSETOFFLOAD, kAll) == 0;
  offloads_ = known && options_.offloads ? kSendOffloads | kReceiveOffloads : 0;
  if (ioctl(tap_.get(), TUNSETOFFLOAD, 0) != 0) return system_failure("USV_TAP", "TUNSETOFFLOAD");
  return {};
}

/** The kernel may leave to us what the back-end does for us; what is left to the kernel it always takes. */
void Tap::connected() {
  sent_ = sender_offloads(port_.features());
  received_ = receiver_offloads(port_.features());
  unsigned flags = (sent_.checksum ? TUN_F_CSUM : 0) | (sent_.tcp4 ? TUN_F_TSO4 : 0) | (sent_.tcp6 ? TUN_F_TSO6 : 0) |
                   (sent_.ecn ? TUN_F_TSO_ECN : 0);
  // open() has seen it succeed. Should it fail, what the kernel then leaves undone against the agreement is dropped.
  [[maybe_unused]] int refused = ioctl(tap_.get(), TUNSETOFFLOAD, flags);
  if (port_.mac() != 0) take_address();
}

/** Whoever holds a descriptor of a tap may set its address, without a capability. An address that is right already is left alone. */
void Tap::take_address() {
  uint64_t mac = port_.mac();
  ifreq request{};
  bool known = ioctl(tap_.get(), SIOCGIFHWADDR, &request) == 0;
  if (known && memcmp(request.ifr_hwaddr.sa_data, &mac, ETH_ALEN) == 0) return;
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(request.ifr_hwaddr.sa_data, &mac, ETH_ALEN);
  if (ioctl(tap_.get(), SIOCSIFHWADDR, &request) != 0) DriverCounters::add(tap_mac_refused_, 1);
}

uint32_t Tap::poll() {
  if (!attached_ && (!port_.idle() || port_.pending())) [[unlikely]]
    attach(true);
  uint32_t moved = from_port();
  // What the back-end had delivered to a pair that rests goes to the kernel first: not every kernel takes frames from a detached queue.
  if (attached_ && port_.idle() && moved == 0) [[unlikely]]
    attach(false);
  // What has just come from the port the kernel may have answered already.
  if (moved == 0 && resting()) return 0;
  return moved + from_tap();
}

/** Whether the tap was empty a moment ago: to find out again costs far more than the rest of a pass without work. */
bool Tap::resting() const { return monotonic_nanos() < rest_until_; }

/** A pair that is not in use leaves the kernel's frames to the queues of the others. */
void Tap::attach(bool attached) {
  ifreq request{};
  request.ifr_flags = static_cast<short>(attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
  // Should the kernel refuse, frames go on coming here, and are dropped and counted while the pair is not in use.
  [[maybe_unused]] int refused = ioctl(tap_.get(), TUNSETQUEUE, &request);
  attached_ = attached;
}

uint32_t Tap::from_port() {
  Packet packets[kEngineBurst];
  uint32_t count = port_.receive(packets, kEngineBurst);
  for (uint32_t i = 0; i < count; i++) {
    if (!to_kernel(packets[i])) DriverCounters::add(tap_drops_, 1);
    give_packet(port_.pool(), packets[i]);
  }
  return count;
}

/** The header is judged by a private copy, and written anew from what was found good: the back-end goes on writing. */
bool Tap::to_kernel(const Packet& packet) {
  virtio_net_hdr_mrg_rxbuf header{};
  header.num_buffers = 1;
  if (received_.any()) {
    virtio_net_hdr_mrg_rxbuf told;
    memcpy(&told, port_.pool().header(packet.buffer), sizeof told);
    if (!accept_header(told.hdr, received_, packet.length, header)) {
      DriverCounters::add(tap_drop_header_, 1);
      return true;
    }
  }
  iovec vector[1 + kMaxFrameBuffers] = {{&header, sizeof header}};
  int count = 1;
  for_each_stretch(port_.pool(), packet, [&](uint8_t* bytes, uint32_t length) { vector[count++] = {bytes, length}; });
  ssize_t written;
  do {
    written = ::writev(tap_.get(), vector, count);
  } while (written < 0 && errno == EINTR);
  return written >= 0;
}

/** Frames that waited in the tap may have been made for the back-end before this one, which did more for us. */
bool Tap::write_header(const Packet& packet) {
  virtio_net_hdr_mrg_rxbuf header{};
  if (!accept_header(ahead_.header().hdr, sent_, packet.length, header)) return false;
  header.num_buffers = 0;  // 5.1.6.2.1: for the device to write
  memcpy(port_.pool().header(packet.buffer), &header, sizeof header);
  return true;
}

uint32_t Tap::from_tap() {
  if (port_.idle()) return 0;
  Packet packets[kEngineBurst];
  uint32_t count = 0;
  for (uint32_t bytes = 0; count < kEngineBurst && bytes < kPassBytes;) {
    if (!ahead_.ready()) {
      // All buffers are in the transmit ring.
      port_.reclaim();
      if (!ahead_.ready()) break;
    }
    ssize_t got = ::readv(tap_.get(), ahead_.vector(), ReadAhead::kVectors);
    if (got <= static_cast<ssize_t>(kHeaderBytes)) {
      rest_until_ = monotonic_nanos() + options_.rest_nanos;
      break;
    }
    uint32_t length = static_cast<uint32_t>(got) - kHeaderBytes;
    Packet packet = ahead_.packet(length);
    bytes += length;
    if (write_header(packet)) {
      packets[count++] = packet;
    } else {
      DriverCounters::add(tap_drop_offload_, 1);
      give_packet(port_.pool(), packet);
    }
  }
  if (count != 0) port_.transmit_or_drop(packets, count);
  return count;
}

bool Tap::pending() {
  pollfd readable{tap_.get(), POLLIN, 0};
  return ::poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN) != 0;
}

std::vector<Metric> Tap::report() const {
  auto metric = [](const char* name, const std::atomic<uint64_t>& value) {
    return Metric{name, static_cast<double>(value.load(std::memory_order_relaxed))};
  };
  return {metric("tap_drops", tap_drops_), metric("tap_drop_header", tap_drop_header_),
          metric("tap_drop_offload", tap_drop_offload_), metric("tap_mac_refused", tap_mac_refused_)};
}

}  // namespace usvhost
