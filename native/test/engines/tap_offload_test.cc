// SPDX-License-Identifier: Apache-2.0
// What the tap engine leaves undone and lets others leave undone: what the kernel hands over follows what was agreed with the
// back-end, and what a back-end says of its frames is judged before the kernel hears of it.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/uio.h>

#include "engines/tap.h"
#include "test/engines/wires.h"
#include "test/network_namespace.h"
#include "test/offload/tcp_shapes.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kPlain =
    kRequiredFeatures | feature_bit(VIRTIO_NET_F_MRG_RXBUF) | feature_bit(VIRTIO_RING_F_INDIRECT_DESC);

/** A tap that is up, with the engine on one side and a packet socket on the other. */
class TapSide {
 public:
  explicit TapSide(uint64_t features, bool offloads = true) : wires_(1, 800, 256, features) {
    REQUIRE(make_tap("side"));
    engine_.emplace(wires_.port(), TapOptions{"side", "/dev/net/tun", false, offloads, 0});
    REQUIRE(engine_->open().ok());
    engine_->connected();
    Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    strcpy(request.ifr_name, "side");
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_NOARP;
    REQUIRE(ioctl(control.get(), SIOCSIFFLAGS, &request) == 0);
    socket_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    int on = 1;
    REQUIRE(setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex("side"));
    REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }

  Wires& wires() { return wires_; }
  Tap& engine() { return *engine_; }
  double count(const char* name) { return metric(engine_->report(), name); }

  /** The kernel sends a frame through the tap. */
  void kernel_sends(const TcpSample& sample) {
    virtio_net_hdr header = sample.header;
    Bytes frame = sample.frame;
    iovec parts[] = {{&header, sizeof header}, {frame.data(), frame.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    REQUIRE(sendmsg(socket_.get(), &message, 0) > 0);
  }
  /** What the engine then sends on, frames of `sample`'s sender only: header and frame in one. */
  std::vector<Bytes> sent_like(const TcpSample& sample) {
    std::vector<Bytes> frames;
    engine_->poll();
    for (Bytes& bytes : wires_.sent_with_headers()) {
      if (std::equal(bytes.begin() + 12, bytes.begin() + 24, sample.frame.begin())) frames.push_back(std::move(bytes));
    }
    return frames;
  }
  /** The next frame that came in by the tap, with its header; nothing when there is none. */
  Bytes kernel_received() {
    Bytes buffer(80'000);
    for (;;) {
      pollfd readable{socket_.get(), POLLIN, 0};
      if (poll(&readable, 1, 0) != 1) return {};
      sockaddr_ll from{};
      socklen_t size = sizeof from;
      ssize_t got = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      REQUIRE(got > 0);
      if (from.sll_pkttype != PACKET_OUTGOING) return Bytes(buffer.begin(), buffer.begin() + got);
    }
  }

 private:
  Wires wires_;
  std::optional<Tap> engine_;
  Fd socket_;
};

virtio_net_hdr_mrg_rxbuf header_of(const Bytes& bytes) {
  virtio_net_hdr_mrg_rxbuf header;
  memcpy(&header, bytes.data(), sizeof header);
  return header;
}

TEST_CASE("the kernel segments unless the back-end does, for the kind of frame that it does it for") {
  constexpr uint64_t kSum = kPlain | feature_bit(VIRTIO_NET_F_CSUM);
  struct Case {
    uint64_t features;
    bool six;
    bool whole;
    // Each segment's checksum is left to the back-end as soon as it takes checksums, whoever segments.
    bool summed() const { return (features & feature_bit(VIRTIO_NET_F_CSUM)) == 0; }
  };
  for (Case c : {Case{kPlain, false, false}, Case{kSum, false, false},
                 Case{kSum | feature_bit(VIRTIO_NET_F_HOST_TSO4), false, true},
                 Case{kSum | feature_bit(VIRTIO_NET_F_HOST_TSO4), true, false},
                 Case{kSum | feature_bit(VIRTIO_NET_F_HOST_TSO6), true, true}}) {
    CAPTURE(c.features);
    in_namespace([&] {
      TapSide side(c.features);
      TcpShape shape;
      shape.six = c.six;
      shape.data = 40'000;
      TcpSample sample = build(shape);
      side.kernel_sends(sample);
      std::vector<Bytes> frames = side.sent_like(sample);
      CHECK(frames.size() == (c.whole ? 1 : (40'000 + 1447) / 1448));
      for (const Bytes& bytes : frames) {
        virtio_net_hdr_mrg_rxbuf header = header_of(bytes);
        CHECK(header.num_buffers == 0);
        CHECK(header.hdr.flags == (c.summed() ? 0 : VIRTIO_NET_HDR_F_NEEDS_CSUM));
        CHECK(header.hdr.gso_type == (c.whole ? sample.header.gso_type : 0));
        CHECK(header.hdr.gso_size == (c.whole ? shape.segment : 0));
        Bytes frame(bytes.begin() + kHeaderBytes, bytes.end());
        if (c.whole) {
          CHECK(frame == sample.frame);
        } else {
          CHECK(valid_tcp(frame, c.six, sample.network, sample.transport) == c.summed());
        }
      }
      CHECK(side.count("tap_drop_offload") == 0);
    });
  }
}

TEST_CASE("a checksum is left to the back-end that finishes it, and to no other") {
  for (bool agreed : {false, true}) {
    CAPTURE(agreed);
    in_namespace([&] {
      TapSide side(agreed ? kPlain | feature_bit(VIRTIO_NET_F_CSUM) : kPlain);
      TcpShape shape;
      shape.data = 1000;
      TcpSample sample = build(shape);
      sample.header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
      sample.header.gso_size = 0;
      side.kernel_sends(sample);
      std::vector<Bytes> frames = side.sent_like(sample);
      REQUIRE(frames.size() == 1);
      virtio_net_hdr header = header_of(frames[0]).hdr;
      Bytes frame(frames[0].begin() + kHeaderBytes, frames[0].end());
      CHECK(header.flags == (agreed ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0));
      CHECK(header.csum_start == (agreed ? sample.transport : 0));
      CHECK(header.csum_offset == (agreed ? 16 : 0));
      CHECK(valid_tcp(frame, false, sample.network, sample.transport) == !agreed);
    });
  }
}

TEST_CASE("what waits in the tap for a back-end that does less than the one before is dropped and counted") {
  in_namespace([] {
    TapSide side(kPlain | feature_bit(VIRTIO_NET_F_CSUM) | feature_bit(VIRTIO_NET_F_HOST_TSO4));
    TcpSample sample = build({});
    side.kernel_sends(sample);
    side.wires().port().set_down();
    side.wires().connect(0, kPlain);
    side.engine().connected();
    CHECK(side.sent_like(sample).empty());
    CHECK(side.count("tap_drop_offload") >= 1);
    side.kernel_sends(sample);
    CHECK(side.sent_like(sample).size() == 3);
  });
}

TEST_CASE("frames that a back-end may leave undone reach the kernel as they are, in one") {
  in_namespace([] {
    TapSide side(kPlain | feature_bit(VIRTIO_NET_F_GUEST_CSUM) | feature_bit(VIRTIO_NET_F_GUEST_TSO4));
    TcpShape shape;
    shape.data = 30'000;
    TcpSample sample = build(shape);
    REQUIRE(side.wires().arrive_whole(sample.header, sample.frame));
    side.engine().poll();
    CHECK(side.count("tap_drop_header") == 0);
    CHECK(side.count("tap_drops") == 0);
    Bytes got = side.kernel_received();
    REQUIRE(got.size() == sizeof(virtio_net_hdr) + sample.frame.size());
    virtio_net_hdr header;
    memcpy(&header, got.data(), sizeof header);
    CHECK(header.gso_type == VIRTIO_NET_HDR_GSO_TCPV4);
    CHECK(header.gso_size == shape.segment);
    CHECK(std::equal(sample.frame.begin(), sample.frame.end(), got.begin() + sizeof header));
  });
}

TEST_CASE(
    "a header of the back-end that cannot be, or was not agreed on, costs the frame and never reaches the kernel") {
  struct Lie {
    const char* name;
    void (*tell)(virtio_net_hdr&, uint32_t length);
  };
  const Lie lies[] = {
      {"a sum that starts behind the frame", [](virtio_net_hdr& h, uint32_t) { h.csum_start = 0xffff; }},
      {"one that starts with its last byte",
       [](virtio_net_hdr& h, uint32_t n) { h.csum_start = static_cast<uint16_t>(n - 1); }},
      {"a sum that is stored behind it", [](virtio_net_hdr& h, uint32_t) { h.csum_offset = 0xffff; }},
      {"segments of nothing", [](virtio_net_hdr& h, uint32_t) { h.gso_size = 0; }},
      {"headers longer than the frame",
       [](virtio_net_hdr& h, uint32_t n) { h.hdr_len = static_cast<uint16_t>(n + 1); }},
      {"segmentation without a sum", [](virtio_net_hdr& h, uint32_t) { h.flags = 0; }},
      {"UDP fragmentation", [](virtio_net_hdr& h, uint32_t) { h.gso_type = 3; }},
      {"UDP segmentation", [](virtio_net_hdr& h, uint32_t) { h.gso_type = 5; }},
      {"an unknown kind", [](virtio_net_hdr& h, uint32_t) { h.gso_type = 0x7f; }},
      {"TCP over IPv6, not agreed on", [](virtio_net_hdr& h, uint32_t) { h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; }},
      {"ECN, not agreed on", [](virtio_net_hdr& h, uint32_t) { h.gso_type |= VIRTIO_NET_HDR_GSO_ECN; }},
  };
  in_namespace([&] {
    TapSide side(kPlain | feature_bit(VIRTIO_NET_F_GUEST_CSUM) | feature_bit(VIRTIO_NET_F_GUEST_TSO4));
    TcpSample sample = build({});
    double dropped = 0;
    for (const Lie& lie : lies) {
      CAPTURE(lie.name);
      virtio_net_hdr header = sample.header;
      lie.tell(header, static_cast<uint32_t>(sample.frame.size()));
      REQUIRE(side.wires().arrive_whole(header, sample.frame));
      side.engine().poll();
      CHECK(side.count("tap_drop_header") == ++dropped);
      CHECK(side.kernel_received().empty());
    }
    CHECK(side.wires().pool().available() + side.wires().receive().available() + ReadAhead::kBuffers == 800);
  });
}

TEST_CASE("without an agreement the header says nothing to the kernel, whatever stands in it") {
  in_namespace([] {
    TapSide side(kPlain);
    TcpSample sample = build({});
    REQUIRE(side.wires().arrive_whole(sample.header, sample.frame));
    side.engine().poll();
    Bytes got = side.kernel_received();
    REQUIRE(got.size() == sizeof(virtio_net_hdr) + sample.frame.size());
    CHECK(std::all_of(got.begin(), got.begin() + sizeof(virtio_net_hdr), [](uint8_t byte) { return byte == 0; }));
  });
}

TEST_CASE("offloads are offered by a tap that may, and by no other engine") {
  in_namespace([] {
    TapSide on(kPlain);
    CHECK(on.engine().offloads() == (kSendOffloads | kReceiveOffloads));
  });
  in_namespace([] {
    TapSide off(kPlain, false);
    CHECK(off.engine().offloads() == 0);
  });
}

}  // namespace
}  // namespace usvhost::test
