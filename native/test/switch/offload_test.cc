// SPDX-License-Identifier: Apache-2.0
// Frames with claims through the forwarder: whole to who takes them, finished or cut for the others, and nothing that is not true.
#include <atomic>
#include <thread>

#include "test/offload/tcp_shapes.h"
#include "test/switch/pod_bench.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kMerge = feature_bit(VIRTIO_NET_F_MRG_RXBUF);
constexpr uint64_t kSumsOnly = feature_bit(VIRTIO_NET_F_CSUM) | feature_bit(VIRTIO_NET_F_GUEST_CSUM);

/** Pod 0 sends with every offload, pod 1 has the address 9, which samples go to. */
struct OffloadBench : PodBench {
  explicit OffloadBench(uint64_t receiver = 0, uint64_t sender = kOffloadFeatures) {
    pods[0].negotiate(sender);
    pods[1].negotiate(receiver);
    macs.learn(mac(9), 1, 1);
  }
  /** One descriptor, or pieces of `piece` bytes. */
  void send(const TcpSample& sample, uint32_t piece = UINT32_MAX) {
    Pod& pod = pods[0];
    uint8_t* to = pod.transmit_buffer(0);
    memset(to, 0xcc, kHeaderBytes);
    memcpy(to, &sample.header, sizeof sample.header);
    std::copy(sample.frame.begin(), sample.frame.end(), to + kHeaderBytes);
    auto left = static_cast<uint32_t>(kHeaderBytes + sample.frame.size());
    uint64_t at = pod.transmit_address(0);
    for (uint16_t i = 0;; i++) {
      uint32_t length = std::min(piece, left);
      left -= length;
      pod.transmit.describe(i, at, length, left == 0 ? 0 : VRING_DESC_F_NEXT, static_cast<uint16_t>(i + 1));
      if (left == 0) break;
      at += length;
    }
    pod.transmit.offer(0);
    CHECK(forward(0) == 1);
    CHECK(pod.transmit.used() == pod.transmit.avail());
    CHECK(pod.runtime.broken == RingError::kNone);
  }
  uint64_t sent(Counter which) const { return pods[0].count(which); }
};

/** Frames out of the receive buffers, merged ones joined, each with its header in front. */
std::vector<Bytes> received(const Pod& pod) {
  std::vector<Bytes> frames;
  uint32_t parts = 0;
  for (uint16_t i = 0; i < pod.receive.used(); i++) {
    const uint8_t* bytes = pod.receive_buffer(i);
    uint32_t length = pod.receive.used_entry(i).len;
    if (length < Pod::kBuffer) CHECK(bytes[length] == 0xee);
    if (parts == 0) {
      parts = static_cast<uint32_t>(bytes[10] | bytes[11] << 8);
      frames.emplace_back();
    }
    frames.back().insert(frames.back().end(), bytes, bytes + length);
    parts--;
  }
  CHECK(parts == 0);
  return frames;
}

virtio_net_hdr header_of(const Bytes& received) {
  virtio_net_hdr header;
  memcpy(&header, received.data(), sizeof header);
  return header;
}

/** A plain header and a packet with a right sum. */
bool plain_and_valid(const Bytes& received, const TcpSample& sample, bool six) {
  Bytes frame(received.begin() + kHeaderBytes, received.end());
  return std::all_of(received.begin(), received.begin() + 10, [](uint8_t byte) { return byte == 0; }) &&
         valid_tcp(frame, six, sample.network, sample.transport);
}

TEST_CASE("a pod that takes it all gets one frame, in as many buffers as it takes, with a header of checked numbers") {
  for (bool six : {false, true}) {
    for (uint32_t piece : {UINT32_MAX, 1500u}) {
      CAPTURE(six);
      CAPTURE(piece);
      OffloadBench bench(kMerge | kOffloadFeatures);
      bench.pods[1].post(40);
      TcpSample sample = build({.six = six, .data = 60'000, .segment = 1400, .flags = 0x90});
      sample.header.flags = 0xff;
      sample.header.hdr_len = 20;
      bench.send(sample, piece);
      CHECK(bench.pods[0].drops() == 0);
      CHECK(bench.pods[1].drops() == 0);
      std::vector<Bytes> frames = received(bench.pods[1]);
      REQUIRE(frames.size() == 1);
      CHECK(bench.pods[1].receive.used() > 25);
      virtio_net_hdr header = header_of(frames[0]);
      CHECK(header.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM);
      CHECK(header.gso_type == sample.header.gso_type);
      CHECK(header.gso_size == 1400);
      CHECK(header.hdr_len == sample.payload);
      CHECK(header.csum_start == sample.transport);
      CHECK(header.csum_offset == 16);
      CHECK(std::equal(sample.frame.begin(), sample.frame.end(), frames[0].begin() + kHeaderBytes, frames[0].end()));
      CHECK(bench.pods[1].count(Counter::rx_packets) == 1);
      CHECK(bench.pods[1].count(Counter::rx_segmented) == 0);
      CHECK(bench.pods[1].count(Counter::rx_finished) == 0);
    }
  }
}

TEST_CASE("a pod that takes less gets segments with right sums") {
  uint64_t without_ecn = kOffloadFeatures & ~feature_bit(VIRTIO_NET_F_GUEST_ECN);
  uint64_t other = kOffloadFeatures & ~feature_bit(VIRTIO_NET_F_GUEST_TSO4);
  for (uint64_t receiver : {uint64_t{0}, kMerge, kSumsOnly, kMerge | without_ecn, kMerge | other}) {
    CAPTURE(receiver);
    OffloadBench bench(receiver);
    bench.pods[1].post(40);
    TcpSample sample = build({.data = 20'000, .flags = 0x99});
    bench.send(sample);
    std::vector<Bytes> frames = received(bench.pods[1]);
    REQUIRE(frames.size() == 14);
    Bytes data;
    for (const Bytes& frame : frames) {
      CHECK(plain_and_valid(frame, sample, false));
      data.insert(data.end(), frame.begin() + kHeaderBytes + sample.payload, frame.end());
    }
    CHECK(std::equal(data.begin(), data.end(), sample.frame.begin() + sample.payload, sample.frame.end()));
    CHECK(bench.pods[1].count(Counter::rx_packets) == 14);
    CHECK(bench.pods[1].count(Counter::rx_segmented) == 1);
    CHECK(bench.pods[1].count(Counter::rx_segments) == 14);
    CHECK(bench.sent(Counter::tx_packets) == 1);
  }
}

TEST_CASE("a sum is passed on or finished") {
  TcpSample sample = build({.data = 1000});
  sample.header.gso_type = 0;
  for (uint64_t receiver : {uint64_t{0}, kSumsOnly}) {
    OffloadBench bench(receiver);
    bench.pods[1].post(1);
    bench.send(sample, receiver == 0 ? 333 : UINT32_MAX);
    std::vector<Bytes> frames = received(bench.pods[1]);
    REQUIRE(frames.size() == 1);
    CHECK(plain_and_valid(frames[0], sample, false) == (receiver == 0));
    CHECK(bench.pods[1].count(Counter::rx_finished) == (receiver == 0 ? 1 : 0));
    if (receiver == 0) continue;
    CHECK(header_of(frames[0]).flags == VIRTIO_NET_HDR_F_NEEDS_CSUM);
    CHECK(header_of(frames[0]).csum_start == sample.transport);
    CHECK(header_of(frames[0]).gso_size == 0);
  }
}

TEST_CASE("one frame is flooded to pods of different abilities") {
  OffloadBench bench(kMerge | kOffloadFeatures);
  bench.pods[1].post(20);
  bench.pods[2].post(20);
  TcpSample sample = build({.data = 10'000});
  sample.frame[5] = 0x77;
  bench.send(sample);
  CHECK(bench.sent(Counter::tx_flooded) == 1);
  CHECK(received(bench.pods[1]).size() == 1);
  std::vector<Bytes> cut = received(bench.pods[2]);
  REQUIRE(cut.size() == 7);
  for (const Bytes& frame : cut) CHECK(plain_and_valid(frame, sample, false));
}

TEST_CASE("a pod that takes segments unsegmented but has small buffers gets them one by one") {
  OffloadBench bench(kOffloadFeatures);
  bench.pods[1].post(20);
  bench.send(build({.data = 10'000}));
  CHECK(received(bench.pods[1]).size() == 7);
  CHECK(bench.pods[1].drops() == 0);
}

TEST_CASE("segments take several small buffers each") {
  OffloadBench bench(kMerge);
  bench.pods[1].post(60, 300);
  TcpSample sample = build({.data = 10'000});
  bench.send(sample);
  std::vector<Bytes> frames = received(bench.pods[1]);
  REQUIRE(frames.size() == 7);
  CHECK(frames[0].size() == kHeaderBytes + sample.payload + 1448);
  for (const Bytes& frame : frames) CHECK(plain_and_valid(frame, sample, false));
}

TEST_CASE("what does not fit is counted by the segment, and who got the rest is called") {
  OffloadBench bench;
  Pod& pod = bench.pods[1];
  pod.post(60);
  pod.receive.want_calls();
  bench.send(build({.data = 200 * 300, .segment = 300}));
  CHECK(pod.count(Counter::rx_packets) == 60);
  CHECK(pod.count(Counter::rx_drop_no_buffer) == 140);
  CHECK(pod.count(Counter::rx_segments) == 200);
  uint64_t calls = 0;
  REQUIRE(read(pod.call.get(), &calls, sizeof calls) == sizeof calls);
  CHECK(calls == 1);
  pod.post(3, 100);
  bench.send(build({.data = 3000}));
  CHECK(pod.count(Counter::rx_drop_small_buffer) == 3);
  CHECK(pod.receive.used() == 60);
}

TEST_CASE("a full ring in the middle of merged frames: the driver is called for those before it") {
  OffloadBench bench(kMerge | kOffloadFeatures);
  Pod& pod = bench.pods[1];
  pod.post(40, 1700);  // 36 for the first frame, so that they are given back before the second one fails
  pod.receive.want_calls();
  TcpSample sample = build({.data = 60'000});
  memcpy(bench.pods[0].transmit_buffer(0), &sample.header, sizeof sample.header);
  std::copy(sample.frame.begin(), sample.frame.end(), bench.pods[0].transmit_buffer(0) + kHeaderBytes);
  for (uint16_t i = 0; i < 2; i++) {
    bench.pods[0].transmit.describe(i, bench.pods[0].transmit_address(0),
                                    static_cast<uint32_t>(kHeaderBytes + sample.frame.size()));
    bench.pods[0].transmit.offer(i);
  }
  CHECK(bench.forward(0) == 2);
  uint64_t calls = 0;
  REQUIRE(read(pod.call.get(), &calls, sizeof calls) == sizeof calls);
  CHECK(pod.count(Counter::rx_packets) == 1);
  CHECK(pod.count(Counter::rx_drop_no_buffer) == 1);
}

TEST_CASE("the length that a port may send is that of a segment") {
  struct Case {
    TcpShape shape;
    bool oversize;
  };
  // 1518 bytes: 14 of Ethernet, 20 of IP, 20 of TCP, and 1464 of data.
  for (const Case& one : std::initializer_list<Case>{{{.data = 9000, .segment = 1464}, false},
                                                     {{.data = 9000, .segment = 1465}, true},
                                                     {{.data = 1464, .segment = 9000}, false},
                                                     {{.data = 1465, .segment = 9000}, true}}) {
    OffloadBench bench;
    bench.pods[1].post(20);
    bench.send(build(one.shape));
    CHECK(bench.sent(Counter::tx_drop_oversize) == (one.oversize ? 1 : 0));
    CHECK((bench.pods[1].count(Counter::rx_packets) == 0) == one.oversize);
  }
}

TEST_CASE("headers that claim what cannot be are dropped under one name, and their pod goes on") {
  struct Case {
    const char* what;
    void (*spoil)(TcpSample& sample);
    Counter counter;
  };
  constexpr Counter kBad = Counter::tx_drop_bad_header;
  constexpr Counter kGso = Counter::tx_drop_gso;
  for (const Case& one : std::initializer_list<Case>{
           {"a sum behind all", [](TcpSample& s) { s.header.csum_start = 0xffff; }, kBad},
           {"a sum at the last byte",
            [](TcpSample& s) {
              s.header.gso_type = 0;
              s.header.csum_start = static_cast<uint16_t>(s.frame.size() - 1);
              s.header.csum_offset = 0;
            },
            kBad},
           {"an offset behind all", [](TcpSample& s) { s.header.csum_offset = 0xffff; }, kBad},
           {"a sum into the source address",
            [](TcpSample& s) {
              s.header.gso_type = 0;
              s.header.csum_start = 6;
              s.header.csum_offset = 4;
            },
            kBad},
           {"segments of nothing", [](TcpSample& s) { s.header.gso_size = 0; }, kBad},
           {"no sum", [](TcpSample& s) { s.header.flags = 0; }, kBad},
           {"headers longer than the frame", [](TcpSample& s) { s.header.hdr_len = 0xffff; }, kBad},
           {"UDP segments", [](TcpSample& s) { s.header.gso_type = 5; }, kGso},
           {"UDP fragments", [](TcpSample& s) { s.header.gso_type = 3; }, kGso},
           {"an unknown kind", [](TcpSample& s) { s.header.gso_type = 77; }, kGso},
           {"the other version", [](TcpSample& s) { s.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; }, kGso},
           {"segments of one byte", [](TcpSample& s) { s.header.gso_size = 1; }, kGso},
           {"UDP in it", [](TcpSample& s) { s.frame[s.network + 9] = 17; }, kGso},
       }) {
    CAPTURE(one.what);
    for (uint64_t receiver : {uint64_t{0}, kMerge | kOffloadFeatures}) {
      OffloadBench bench(receiver);
      bench.pods[1].post(20);
      TcpSample sample = build({.data = 5000});
      one.spoil(sample);
      bench.send(sample);
      CHECK(bench.sent(one.counter) == 1);
      CHECK(bench.pods[0].drops() == 1);
      CHECK(bench.pods[1].receive.used() == 0);
      bench.send(build({.data = 5000}));
      CHECK(bench.pods[1].count(Counter::rx_packets) != 0);
    }
  }
}

TEST_CASE("what was not negotiated may not be claimed, and without any offload the header is not read") {
  OffloadBench sums(0, kSumsOnly);
  sums.pods[1].post(20);
  sums.send(build({.data = 5000}));
  CHECK(sums.sent(Counter::tx_drop_bad_header) == 1);
  OffloadBench plain(kMerge | kOffloadFeatures, 0);
  plain.pods[1].post(20);
  TcpSample sample = build({.data = 1000});
  plain.send(sample);
  std::vector<Bytes> frames = received(plain.pods[1]);
  REQUIRE(frames.size() == 1);
  CHECK(header_of(frames[0]).flags == 0);
  CHECK(std::equal(sample.frame.begin(), sample.frame.end(), frames[0].begin() + kHeaderBytes, frames[0].end()));
}

TEST_CASE("a burst of long frames ends after its bytes") {
  OffloadBench bench(kMerge | kOffloadFeatures);
  TcpSample sample = build({.data = 60'000});
  Pod& pod = bench.pods[0];
  memcpy(pod.transmit_buffer(0), &sample.header, sizeof sample.header);
  std::copy(sample.frame.begin(), sample.frame.end(), pod.transmit_buffer(0) + kHeaderBytes);
  for (uint16_t i = 0; i < 20; i++) {
    pod.transmit.describe(i, pod.transmit_address(0), static_cast<uint32_t>(kHeaderBytes + sample.frame.size()));
    pod.transmit.offer(i);
  }
  for (uint32_t left = 20; left != 0;) {
    uint32_t moved = bench.forward(0);
    REQUIRE(moved != 0);
    CHECK(moved <= 5);
    left -= moved;
  }
  CHECK(pod.transmit.used() == 20);
}

TEST_CASE("a pod that goes on writing cannot send under another one's address, nor outside a buffer") {
  if (kThreadSanitizer) {
    MESSAGE("skipped: needs a race on purpose, which the thread sanitizer would report");
    return;
  }
  OffloadBench bench;
  REQUIRE(bench.macs.add_static(mac(3), 2));
  Pod& pod = bench.pods[0];
  TcpSample sample = build({.data = 6000});
  uint8_t* bytes = pod.transmit_buffer(0);
  memcpy(bytes, &sample.header, sizeof sample.header);
  std::copy(sample.frame.begin(), sample.frame.end(), bytes + kHeaderBytes);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint32_t turn = 0; !stop.load(std::memory_order_relaxed); turn++) {
      __atomic_store_n(bytes + kHeaderBytes + 11, uint8_t{(turn & 1) != 0 ? uint8_t{3} : uint8_t{1}}, __ATOMIC_RELAXED);
      __atomic_store_n(bytes + 7, static_cast<uint8_t>((turn & 6) == 0 ? 0xff : 0), __ATOMIC_RELAXED);  // csum_start
      __atomic_store_n(bytes + kHeaderBytes + 14, static_cast<uint8_t>((turn & 24) == 0 ? 0x4f : 0x45),
                       __ATOMIC_RELAXED);
    }
  });
  uint32_t spoofed = 0, passed = 0;
  constexpr uint16_t kFrames = 12;
  uint64_t rounds = 0;
  // On a busy machine the two seldom run at once: it goes on until frames of one burst have come out differently often enough.
  for (int mixed = 0; mixed < 20;) {
    uint64_t dropped = bench.sent(Counter::tx_drop_spoofed);
    uint32_t passed_before = passed;
    // Many in a burst: between the look at the first one and its classification there is time to write.
    for (uint16_t head = 0; head < kFrames; head++, rounds++) {
      pod.transmit.describe(head, pod.transmit_address(0), static_cast<uint32_t>(kHeaderBytes + sample.frame.size()));
      pod.transmit.offer(head);
    }
    uint16_t before = bench.pods[1].receive.used();
    bench.pods[1].post(static_cast<uint16_t>(5 * kFrames - (bench.pods[1].receive.avail() - before)));
    REQUIRE(bench.forward(0) == kFrames);
    for (uint16_t i = before; i != bench.pods[1].receive.used(); i++, passed++) {
      spoofed += bench.pods[1].receive_buffer(i)[kHeaderBytes + 11] == 1 ? 0 : 1;
    }
    mixed += bench.sent(Counter::tx_drop_spoofed) != dropped && passed != passed_before ? 1 : 0;
  }
  stop.store(true);
  writer.join();
  CHECK(spoofed == 0);
  CHECK(bench.sent(Counter::tx_packets) == rounds);
}

}  // namespace
}  // namespace usvhost::test
