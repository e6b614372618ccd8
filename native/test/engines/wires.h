// SPDX-License-Identifier: Apache-2.0
// One or two driver ports whose back-end is the test itself, in the same memory: frames are put into receive rings and
// taken out of transmit rings by hand, and engines are polled by the test.
#pragma once

#include "engines/engine.h"
#include "memory/segment.h"
#include "test/support.h"
#include "virtio/split_device.h"

namespace usvhost::test {

class Wires {
 public:
  using Frame = std::vector<uint8_t>;
  static constexpr uint16_t kSize = 64;

  explicit Wires(size_t count = 1, uint32_t buffers = 400, uint16_t queue_size = kSize,
                 uint64_t features = kRequiredFeatures)
      : features_(features) {
    size_t rings = PortQueue::ring_bytes(queue_size);
    SegmentOptions options;
    options.bytes = count * rings + size_t{buffers} * kBufferStride;
    REQUIRE(segment_.create(options).ok());
    pool_.emplace(segment_.data() + count * rings, buffers);
    for (size_t i = 0; i < count; i++) {
      ports_.push_back(std::make_unique<PortQueue>(queue_size, *pool_, segment_.data() + i * rings));
      REQUIRE(ports_.back()->open().ok());
    }
    receive_.resize(count);
    transmit_.resize(count);
    for (size_t i = 0; i < count; i++) connect(i);
  }

  PortQueue& port(size_t i = 0) { return *ports_[i]; }
  std::vector<PortQueue*> ports() {
    std::vector<PortQueue*> all;
    for (auto& port : ports_) all.push_back(port.get());
    return all;
  }
  BufferPool& pool() { return *pool_; }
  SplitDeviceQueue<>& receive(size_t i = 0) { return receive_[i]; }
  SplitDeviceQueue<>& transmit(size_t i = 0) { return transmit_[i]; }

  /** The same after another agreement. */
  void connect(size_t i, uint64_t features, uint16_t mtu = 0, MacAddress mac = 0) {
    features_ = features;
    mtu_ = mtu;
    mac_ = mac;
    connect(i);
  }
  /** Resets the rings of a port as its connector would, and brings its link up. */
  void connect(size_t i) {
    ports_[i]->set_down();  // or the link of before would do
    // The connector's half waits for the data thread's half, so one of them needs a thread for a moment.
    std::thread connector([&] {
      ports_[i]->begin_reset({features_, mtu_, mac_});
      ports_[i]->await_reset();
      ports_[i]->set_up();
    });
    REQUIRE(eventually([&] {
      ports_[i]->serve_control();
      return ports_[i]->up();
    }));
    connector.join();
    bool indirect = (features_ & feature_bit(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
    receive_[i].attach(split(ports_[i]->receive_queue().ring), 0);
    transmit_[i].attach(split(ports_[i]->transmit_queue().ring), 0, indirect);
  }

  /** A frame arrives at port `i`; false when it has no buffer for it. */
  bool arrive(const Frame& frame, size_t i = 0) {
    SplitDeviceQueue<>& queue = receive_[i];
    Chain chain{};
    vring_desc descriptor;
    queue.begin();
    if (queue.look_ahead(&chain, 1) != 1 || !queue.take(chain, descriptor)) return false;
    auto* to = reinterpret_cast<uint8_t*>(descriptor.addr);
    memset(to, 0x5a, kHeaderBytes);  // a header that no honest back-end would write
    std::copy(frame.begin(), frame.end(), to + kHeaderBytes);
    chain.written = static_cast<uint32_t>(kHeaderBytes + frame.size());
    queue.complete(&chain, 1);
    return true;
  }
  /**
   * A frame arrives in as many buffers as it has parts, and its header says `said`. `lengths`: what is said to be written,
   * where that is a lie.
   */
  bool arrive_in_parts(const std::vector<Frame>& parts, uint16_t said, const std::vector<uint32_t>& lengths = {},
                       const virtio_net_hdr& told = {}) {
    SplitDeviceQueue<>& queue = receive_[0];
    std::vector<Chain> chains(parts.size());
    queue.begin();
    if (queue.look_ahead(chains.data(), static_cast<uint32_t>(chains.size())) != chains.size()) return false;
    for (size_t k = 0; k < parts.size(); k++) {
      vring_desc descriptor;
      if (!queue.take(chains[k], descriptor)) return false;
      auto* to = reinterpret_cast<uint8_t*>(descriptor.addr);
      virtio_net_hdr_mrg_rxbuf header{told, said};
      uint32_t before = k == 0 ? kHeaderBytes : 0;
      if (k == 0) memcpy(to, &header, sizeof header);
      std::copy(parts[k].begin(), parts[k].end(), to + before);
      chains[k].written = lengths.empty() ? static_cast<uint32_t>(before + parts[k].size()) : lengths[k];
    }
    queue.complete(chains.data(), static_cast<uint32_t>(chains.size()));
    return true;
  }
  /** A frame arrives in as many buffers as it fills, with what `told` says of it. */
  bool arrive_whole(const virtio_net_hdr& told, const Frame& frame) {
    std::vector<Frame> parts;
    for (size_t at = 0; at < frame.size(); at += parts.back().size()) {
      size_t here = std::min<size_t>(parts.empty() ? kPayloadCapacity : kBufferBytes, frame.size() - at);
      parts.emplace_back(frame.begin() + static_cast<long>(at), frame.begin() + static_cast<long>(at + here));
    }
    return arrive_in_parts(parts, static_cast<uint16_t>(parts.size()), {}, told);
  }
  /** The bytes of a frame that a port has received; its buffers go back. */
  Frame taken(const Packet& packet) {
    Frame frame(packet.length);
    copy_out(*pool_, packet, frame.data());
    give_packet(*pool_, packet);
    return frame;
  }
  /** Takes all frames that port `i` has sent; each must carry an empty header. */
  std::vector<Frame> sent(size_t i = 0) {
    std::vector<Frame> frames = sent_with_headers(i);
    for (Frame& frame : frames) {
      for (uint32_t k = 0; k < kHeaderBytes; k++) CHECK(frame[k] == 0);
      frame.erase(frame.begin(), frame.begin() + kHeaderBytes);
    }
    return frames;
  }
  std::vector<Frame> sent_with_headers(size_t i = 0) {
    std::vector<Frame> frames;
    SplitDeviceQueue<>& queue = transmit_[i];
    while (queue.pending()) {
      Chain chain{};
      vring_desc descriptor{};
      queue.begin();
      REQUIRE(queue.look_ahead(&chain, 1) == 1);
      REQUIRE(queue.take(chain, descriptor));
      const vring_desc* table = descriptor_at(i, chain.id);
      if ((descriptor.flags & VRING_DESC_F_INDIRECT) != 0) {
        table = reinterpret_cast<const vring_desc*>(descriptor.addr);
        descriptor = table[0];
      } else {
        table -= chain.id;
      }
      Frame bytes;
      for (;; descriptor = table[descriptor.next]) {
        const auto* from = reinterpret_cast<const uint8_t*>(descriptor.addr);
        bytes.insert(bytes.end(), from, from + descriptor.len);
        if ((descriptor.flags & VRING_DESC_F_NEXT) == 0) break;
      }
      frames.push_back(std::move(bytes));
      queue.complete(&chain, 1);
    }
    return frames;
  }

 private:
  /** The device side writes where the driver side only has addresses to tell. */
  static SplitRing split(const RingAddresses& ring) {
    REQUIRE_FALSE(ring.packed);
    auto writable = [](const void* area) { return const_cast<void*>(area); };
    return {static_cast<vring_desc*>(writable(ring.desc)), static_cast<vring_avail*>(writable(ring.driver)),
            static_cast<vring_used*>(writable(ring.device)), ring.size};
  }

  const vring_desc* descriptor_at(size_t i, uint32_t index) {
    return split(ports_[i]->transmit_queue().ring).desc + index;
  }

  uint64_t features_;
  MacAddress mac_ = 0;
  uint16_t mtu_ = 0;
  Segment segment_;
  std::optional<BufferPool> pool_;
  std::vector<std::unique_ptr<PortQueue>> ports_;
  std::vector<SplitDeviceQueue<>> receive_, transmit_;
};

}  // namespace usvhost::test
