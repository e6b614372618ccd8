// SPDX-License-Identifier: Apache-2.0
// A tap with several queues, one for each queue pair: the kernel's frames come by all of them, and by those that are left when a
// pair rests.
#include <sys/socket.h>

#include <fstream>

#include "engines/frames.h"
#include "engines/tap.h"
#include "test/engines/wires.h"
#include "test/network_namespace.h"

namespace usvhost::test {
namespace {

/** Two queue pairs at one tap. */
struct TwoQueues {
  explicit TwoQueues(const char* device)
      : taps{{wires[0].port(), {device, "/dev/net/tun", true, false, 0}},
             {wires[1].port(), {device, "/dev/net/tun", true, false, 0}}} {
    for (Tap& tap : taps) REQUIRE(tap.open().ok());
    // Neighbour discovery of the kernel's own.
    settle();
  }
  /** UDP frames that came out of each pair since the last look. */
  std::pair<size_t, size_t> settle() {
    size_t counts[2] = {0, 0};
    for (int quiet = 0; quiet < 3; quiet++) {
      for (size_t i = 0; i < 2; i++) {
        if (taps[i].poll() != 0) quiet = 0;
        for (const Wires::Frame& frame : wires[i].sent()) {
          if (frame.size() >= 34 && load_be16(frame.data() + 12) == 0x0800 && frame[23] == IPPROTO_UDP) counts[i]++;
        }
      }
    }
    return {counts[0], counts[1]};
  }
  Wires wires[2];
  Tap taps[2];
};

/** One datagram from each of `flows` ports to an address behind the tap. */
void send_flows(uint16_t flows) {
  for (uint16_t flow = 0; flow < flows; flow++) {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    int yes = 1;
    REQUIRE(setsockopt(socket.get(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) == 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(10000 + flow));
    inet_pton(AF_INET, "10.0.3.255", &to.sin_addr);
    REQUIRE(sendto(socket.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 1);
  }
}

/** Frames that the kernel has taken from a device of this thread's namespace (proc_net(5), "dev"). */
uint64_t taken_by_kernel(const std::string& device) {
  std::ifstream table("/proc/thread-self/net/dev");
  for (std::string word; table >> word;) {
    uint64_t bytes, frames;
    if (word == device + ":" && table >> bytes >> frames) return frames;
  }
  FAIL("no device ", device);
  return 0;
}

TEST_CASE("flows of the kernel are spread over the queues of a tap; a resting pair gets none, and gets them again") {
  in_namespace([] {
    REQUIRE(make_tap("many", IFF_MULTI_QUEUE));
    TwoQueues queues("many");
    REQUIRE(bring_up("many", "10.0.3.1"));
    queues.settle();
    constexpr uint16_t kFlows = 40;
    send_flows(kFlows);
    auto [first, second] = queues.settle();
    CHECK(first + second == kFlows);
    CHECK(first > 0);
    CHECK(second > 0);
    queues.wires[1].port().set_idle();
    queues.settle();
    send_flows(kFlows);
    CHECK(queues.settle() == std::pair<size_t, size_t>{kFlows, 0});
    // What the back-end still had for that pair reaches the kernel: it is taken, and not dropped.
    uint64_t before = taken_by_kernel("many");
    REQUIRE(queues.wires[1].arrive(Wires::Frame(60, 0xff)));
    queues.settle();
    CHECK(taken_by_kernel("many") == before + 1);
    CHECK(metric(queues.taps[1].report(), "tap_drops") == 0);
    CHECK(queues.wires[1].port().counters().rx_packets == 1);
    send_flows(kFlows);
    CHECK(queues.settle() == std::pair<size_t, size_t>{kFlows, 0});
    queues.wires[1].port().set_up();
    queues.settle();
    send_flows(kFlows);
    auto [again, too] = queues.settle();
    CHECK(again + too == kFlows);
    CHECK(too > 0);
  });
}

}  // namespace
}  // namespace usvhost::test
