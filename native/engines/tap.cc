// SPDX-License-Identifier: Apache-2.0
#include "engines/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "virtio/net_header.h"

namespace usvhost {

namespace {
// So much is read before it is sent on: a burst of the largest frames would fill the peer's cache.
constexpr uint32_t kPassBytes = 256 * 1024;
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
  if (ioctl(tap_.get(), TUNSETOFFLOAD, 0) != 0) return system_failure("USV_TAP", "TUNSETOFFLOAD");
  return {};
}

uint32_t Tap::poll() { return from_port() + from_tap(); }

uint32_t Tap::from_port() {
  Packet packets[kEngineBurst];
  uint32_t count = port_.receive(packets, kEngineBurst);
  for (uint32_t i = 0; i < count; i++) {
    if (!to_kernel(packets[i])) DriverCounters::add(tap_drops_, 1);
    give_packet(port_.pool(), packets[i]);
  }
  return count;
}

bool Tap::to_kernel(const Packet& packet) {
  // The back-end's header is not trusted with the kernel: no offload was negotiated, so the header says nothing.
  virtio_net_hdr_mrg_rxbuf header{};
  header.num_buffers = 1;
  iovec vector[1 + kMaxFrameBuffers] = {{&header, sizeof header}};
  int count = 1;
  for_each_stretch(port_.pool(), packet, [&](uint8_t* bytes, uint32_t length) { vector[count++] = {bytes, length}; });
  ssize_t written;
  do {
    written = ::writev(tap_.get(), vector, count);
  } while (written < 0 && errno == EINTR);
  return written >= 0;
}

uint32_t Tap::from_tap() {
  Packet packets[kEngineBurst];
  uint32_t count = 0;
  for (uint32_t bytes = 0; count < kEngineBurst && bytes < kPassBytes;) {
    if (!ahead_.ready()) {
      // All buffers are in the transmit ring.
      port_.reclaim();
      if (!ahead_.ready()) break;
    }
    ssize_t got = ::readv(tap_.get(), ahead_.vector(), ReadAhead::kVectors);
    if (got <= static_cast<ssize_t>(kHeaderBytes)) break;
    uint32_t length = static_cast<uint32_t>(got) - kHeaderBytes;
    packets[count++] = ahead_.packet(length);
    bytes += length;
  }
  if (count != 0) port_.transmit_or_drop(packets, count);
  return count;
}

bool Tap::pending() {
  pollfd readable{tap_.get(), POLLIN, 0};
  return ::poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN) != 0;
}

std::vector<Metric> Tap::report() const {
  return {{"tap_drops", static_cast<double>(tap_drops_.load(std::memory_order_relaxed))}};
}

}  // namespace usvhost
