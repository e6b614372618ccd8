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

  explicit Wires(size_t count = 1, uint32_t buffers = 400, uint16_t queue_size = kSize) {
    size_t rings = VirtioPort::ring_bytes(queue_size);
    SegmentOptions options;
    options.bytes = count * rings + size_t{buffers} * kBufferStride;
    REQUIRE(segment_.create(options).ok());
    pool_.emplace(segment_.data() + count * rings, buffers);
    for (size_t i = 0; i < count; i++) {
      VirtioPortOptions port{i == 0 ? "p0" : "p1", "", queue_size};
      ports_.push_back(std::make_unique<VirtioPort>(port, *pool_, segment_.data() + i * rings));
      REQUIRE(ports_.back()->open().ok());
    }
    receive_.resize(count);
    transmit_.resize(count);
    for (size_t i = 0; i < count; i++) connect(i);
  }

  VirtioPort& port(size_t i = 0) { return *ports_[i]; }
  std::vector<VirtioPort*> ports() {
    std::vector<VirtioPort*> all;
    for (auto& port : ports_) all.push_back(port.get());
    return all;
  }
  BufferPool& pool() { return *pool_; }
  SplitDeviceQueue<>& receive(size_t i = 0) { return receive_[i]; }
  SplitDeviceQueue<>& transmit(size_t i = 0) { return transmit_[i]; }

  /** Resets the rings of a port as its connector would, and brings its link up. */
  void connect(size_t i) {
    // The connector's half waits for the data thread's half, so one of them needs a thread for a moment.
    std::thread connector([&] {
      PollThread nobody({});
      ports_[i]->reset_rings(nobody);
      ports_[i]->set_up(nobody);
    });
    REQUIRE(eventually([&] {
      ports_[i]->serve_control();
      return ports_[i]->up();
    }));
    connector.join();
    receive_[i].attach(ports_[i]->front_end_queue(kReceiveQueue).ring, 0);
    transmit_[i].attach(ports_[i]->front_end_queue(kTransmitQueue).ring, 0);
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
  /** Takes all frames that port `i` has sent; each must carry an empty header. */
  std::vector<Frame> sent(size_t i = 0) {
    std::vector<Frame> frames;
    SplitDeviceQueue<>& queue = transmit_[i];
    while (queue.pending()) {
      Chain chain{};
      vring_desc descriptor;
      queue.begin();
      REQUIRE(queue.look_ahead(&chain, 1) == 1);
      REQUIRE(queue.take(chain, descriptor));
      const auto* from = reinterpret_cast<const uint8_t*>(descriptor.addr);
      for (uint32_t k = 0; k < kHeaderBytes; k++) CHECK(from[k] == 0);
      frames.emplace_back(from + kHeaderBytes, from + descriptor.len);
      queue.complete(&chain, 1);
    }
    return frames;
  }

 private:
  Segment segment_;
  std::optional<BufferPool> pool_;
  std::vector<std::unique_ptr<VirtioPort>> ports_;
  std::vector<SplitDeviceQueue<>> receive_, transmit_;
};

}  // namespace usvhost::test
