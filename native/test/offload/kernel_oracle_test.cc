// SPDX-License-Identifier: Apache-2.0
// The kernel as the oracle: a frame with a virtio header is sent by a packet socket on a tap that has no offloads, so that Linux
// segments it or finishes its sum; what comes out of the tap is what ours must be, byte for byte.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "offload/finish.h"
#include "offload/segmenter.h"
#include "test/network_namespace.h"
#include "test/offload/tcp_shapes.h"

namespace usvhost::test {
namespace {

class KernelPath {
 public:
  KernelPath() {
    tap_.reset(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ifreq request{};
    strcpy(request.ifr_name, "oracle");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    REQUIRE(ioctl(tap_.get(), TUNSETIFF, &request) == 0);
    Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    request.ifr_mtu = 65521;
    REQUIRE(ioctl(control.get(), SIOCSIFMTU, &request) == 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_NOARP;
    REQUIRE(ioctl(control.get(), SIOCSIFFLAGS, &request) == 0);
    socket_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    REQUIRE(socket_);
    int on = 1;
    REQUIRE(setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex("oracle"));
    REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }

  /** What the kernel makes of the frame; nothing when it refuses it. */
  std::vector<Bytes> send(virtio_net_hdr header, Bytes frame) {
    if (!write(header, frame)) return {};
    // The tap keeps the order: what the kernel has made of the frame is there when the mark is.
    REQUIRE(write({}, mark_));
    return read_to_mark();
  }

 private:
  bool write(virtio_net_hdr header, Bytes& frame) {
    iovec parts[] = {{&header, sizeof header}, {frame.data(), frame.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return sendmsg(socket_.get(), &message, 0) >= 0;
  }
  /** Frames from our own address; the kernel sends some of its own for IPv6. */
  std::vector<Bytes> read_to_mark() {
    std::vector<Bytes> frames;
    Bytes buffer(80'000);
    for (;;) {
      pollfd readable{tap_.get(), POLLIN, 0};
      REQUIRE(poll(&readable, 1, 10'000) == 1);
      ssize_t got = read(tap_.get(), buffer.data(), buffer.size());
      REQUIRE(got >= static_cast<ssize_t>(kEthernetBytes));
      Bytes frame(buffer.begin(), buffer.begin() + got);
      if (frame == mark_) return frames;
      if (std::equal(frame.begin() + 6, frame.begin() + 12, mark_.begin() + 6)) frames.push_back(std::move(frame));
    }
  }
  Bytes mark_ = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 0, 0, 0, 0, 0, 0};
  Fd tap_, socket_;
};

std::vector<Bytes> ours(const virtio_net_hdr& header, const Bytes& sent, std::mt19937& random) {
  auto length = static_cast<uint32_t>(sent.size());
  Scattered source(sent, random, random() % 3 == 0 ? 60 : 5000);
  Claim claim;
  TcpFrame frame;
  if (read_claim(header, kAllOffloads, length, claim) != ClaimError::kNone) return {};
  if (claim.segments() && !frame.parse(source.pieces(), length, claim)) return {};
  std::vector<Bytes> made;
  if (claim.undone == Undone::kChecksum) {
    Bytes to(length);
    BufferPiece whole{to.data(), length};
    copy_and_finish(PieceCursor(&whole), source.pieces(), length, claim);
    return {to};
  }
  Segmenter segmenter(frame, claim, source.pieces(), length);
  while (uint32_t bytes = segmenter.next_bytes()) {
    Bytes to(bytes);
    BufferPiece whole{to.data(), bytes};
    segmenter.write(PieceCursor(&whole));
    made.push_back(std::move(to));
  }
  return made;
}

TEST_CASE("Linux cuts every shape into the same segments") {
  in_namespace([] {
    KernelPath kernel;
    std::mt19937 random(47);
    int segments = 0, cut = 0, whole = 0;
    for (int round = 0; round < 3000; round++) {
      TcpShape shape = random_shape(random);
      CAPTURE(shape.six);
      CAPTURE(shape.vlan_tags);
      CAPTURE(shape.ip_options);
      CAPTURE(shape.tcp_options);
      CAPTURE(shape.data);
      CAPTURE(shape.segment);
      CAPTURE(static_cast<int>(shape.flags));
      TcpSample sample = build(shape);
      std::vector<Bytes> expected = kernel.send(sample.header, sample.frame);
      std::vector<Bytes> got = ours(sample.header, sample.frame, random);
      // Linux may refuse what fits one segment; ours is then a finished frame, which segmenter_test.cc looks at.
      if (expected.empty() && shape.data <= shape.segment) continue;
      REQUIRE(!expected.empty());
      REQUIRE(got.size() == expected.size());
      for (size_t i = 0; i < got.size(); i++) {
        CAPTURE(i);
        REQUIRE(got[i] == expected[i]);
      }
      segments += static_cast<int>(got.size());
      (got.size() > 1 ? cut : whole)++;
    }
    MESSAGE(cut, " frames cut into ", segments - whole, " segments, ", whole, " finished");
    CHECK(cut > 1000);
    CHECK(whole > 100);
  });
}

TEST_CASE("Linux finishes the same sums") {
  in_namespace([] {
    KernelPath kernel;
    std::mt19937 random(53);
    for (int round = 0; round < 2000; round++) {
      // UDP by chance; Linux does not look, and neither do we.
      TcpSample sample = build({.six = random() % 2 == 0,
                                .data = static_cast<uint32_t>(random() % 1400),
                                .seed = static_cast<uint32_t>(random())});
      virtio_net_hdr header{};
      header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
      header.csum_start = static_cast<uint16_t>(sample.transport);
      header.csum_offset = random() % 2 == 0 ? 16 : 6;
      std::vector<Bytes> expected = kernel.send(header, sample.frame);
      REQUIRE(expected.size() == 1);
      REQUIRE(ours(header, sample.frame, random) == expected);
    }
  });
}

TEST_CASE("what Linux refuses of spoilt frames, and what it would take of those that we refuse") {
  in_namespace([] {
    KernelPath kernel;
    std::mt19937 random(59);
    int refused_by_us = 0, refused_by_kernel = 0, same = 0;
    for (int round = 0; round < 3000; round++) {
      TcpShape shape = random_shape(random);
      shape.vlan_tags = 0;
      TcpSample sample = build(shape);
      size_t at = sample.network + random() % (sample.payload - sample.network);
      sample.frame[at] = static_cast<uint8_t>(random());
      std::vector<Bytes> expected = kernel.send(sample.header, sample.frame);
      std::vector<Bytes> got = ours(sample.header, sample.frame, random);
      if (got.empty()) {
        refused_by_us++;
      } else if (expected.empty()) {
        refused_by_kernel++;
      } else {
        // A frame that both take is the same frame.
        REQUIRE(got == expected);
        same++;
      }
    }
    MESSAGE(same, " equal, ", refused_by_us, " refused by us, ", refused_by_kernel, " by Linux alone");
    CHECK(same > 1000);
    CHECK(refused_by_us > 50);
  });
}

}  // namespace
}  // namespace usvhost::test
