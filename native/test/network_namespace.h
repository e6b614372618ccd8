// SPDX-License-Identifier: Apache-2.0
// A network namespace for one test, with taps in it. Namespaces belong to threads, so all of the test runs on a thread that ends
// with it, and everything in the namespace with the thread.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/fd.h"

namespace usvhost::test {

/** Runs `body` in a fresh network namespace, or says why there is none. */
template <class Body>
void in_namespace(Body body) {
  std::string missing;
  std::thread inside([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      missing = std::string("the right to make a network namespace: ") + strerror(errno);
      return;
    }
    // A kernel with IPv6 says hello on each new interface, at times of its own, and tests count frames.
    if (Fd hello(open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC)); hello) {
      CHECK(write(hello.get(), "1", 1) == 1);
    }
    Fd node(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!node) {
      missing = std::string("/dev/net/tun: ") + strerror(errno);
      return;
    }
    body();
  });
  inside.join();
  if (!missing.empty()) MESSAGE("skipped: needs ", missing);
}

inline bool make_tap(const char* name, int flags = 0) {
  Fd node(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
  return ioctl(node.get(), TUNSETIFF, &request) == 0 && ioctl(node.get(), TUNSETPERSIST, 1) == 0;
}

inline bool bring_up(const char* name, const char* address) {
  Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  if (ioctl(control.get(), SIOCSIFADDR, &request) != 0) return false;
  inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
  if (ioctl(control.get(), SIOCSIFNETMASK, &request) != 0) return false;
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
}

}  // namespace usvhost::test
