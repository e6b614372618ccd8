// SPDX-License-Identifier: Apache-2.0
// One burst after the other from a driver of ours through the switch's loop to another driver, in one thread and without a
// clock in it: what `npm run bench -- forward-loop` counts instructions of. The two functions that stand for the driver are not inlined, so
// that a profiler can tell the three apart.
//
//   forward_loop FEATURES QUEUE_SIZE FRAME_BYTES BURSTS [IDLE]      (features as a hexadecimal word, as for SET_FEATURES)
//
// With IDLE whole passes of a data thread are made, among so many further ports that never send, and DataThread::poll() is what to count.
// Prints {"frames":N}; ends with 1 and a line on standard error when a frame is lost.
#include <fcntl.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>
#include <vector>

#include "bench/fail.h"
#include "driver/queue_pair.h"
#include "memory/fault_guard.h"
#include "memory/segment.h"
#include "switch/data_thread.h"

namespace usvhost {
namespace {

constexpr uint32_t kBuffers = 4096;
constexpr uint32_t kIdleBuffers = 64;

/** A port of the switch and the driver of the pod behind it, in one segment as a pod shares it. */
class Pod {
 public:
  Pod(PortTable& ports, Network& network, uint16_t index, uint64_t features, uint16_t queue_size,
      uint32_t buffers = kBuffers) {
    SegmentOptions options;
    size_t rings = QueuePair::bytes(queue_size);
    options.bytes = rings + size_t{buffers} * kBufferStride;
    check(segment_.create(options), "memory");
    uint64_t start = guest_address(segment_.data());
    RegionClaim claim{start, segment_.size(), start, 0};
    std::vector<Fd> files;
    files.emplace_back(fcntl(segment_.fd(), F_DUPFD_CLOEXEC, 0));
    check(memory_.map({&claim, 1}, files), "regions");
    pool_.emplace(segment_.data() + rings, buffers);
    pair_.emplace(*pool_, driver_counters_, segment_.data(), queue_size);
    pair_->reset({.features = features});
    pair_->visit([&](auto& pair) {
      attach(transmit_queue_, pair.transmit.queue().ring(), features);
      attach(receive_queue_, pair.receive.queue().ring(), features);
    });
    runtime_.index = index;
    runtime_.network = &network;
    runtime_.max_frame = 1518;
    runtime_.memory = &memory_;
    runtime_.mergeable = (features & feature_bit(VIRTIO_NET_F_MRG_RXBUF)) != 0;
    runtime_.leaves = sender_offloads(features);
    runtime_.takes = receiver_offloads(features);
    runtime_.transmit[0] = {&transmit_queue_, -1, true};
    runtime_.receive[0] = {&receive_queue_, -1, true};
    runtime_.transmit_count = runtime_.receive_count = 1;
    runtime_.counters = &counters_;
    ports.publish(index, &runtime_);
  }

  PortRuntime& runtime() { return runtime_; }

  /** Sends kBurst frames of `bytes` bytes. */
  [[gnu::noinline]] void send(uint32_t bytes, MacAddress to, MacAddress from) {
    uint32_t buffers[kBurst];
    Packet packets[kBurst];
    if (pool_->take(buffers, kBurst) != kBurst) fail("the driver", "expected free buffers, got none");
    for (uint32_t i = 0; i < kBurst; i++) {
      uint8_t* frame = pool_->payload(buffers[i]);
      std::memcpy(frame, &to, 6);
      std::memcpy(frame + 6, &from, 6);
      packets[i] = {buffers[i], bytes};
    }
    pair_->visit([&](auto& pair) {
      if (pair.transmit.put(packets, kBurst) != kBurst) fail("the driver", "expected room in the ring, got none");
      pair.transmit.queue().publish();
    });
  }
  /** Takes what has come; returns how many frames. */
  [[gnu::noinline]] uint32_t receive() {
    Packet packets[kBurst];
    uint32_t count = pair_->visit([&](auto& pair) {
      uint32_t got = pair.receive.take(packets, kBurst);
      pair.receive.queue().publish();
      return got;
    });
    for (uint32_t i = 0; i < count; i++) give_packet(*pool_, packets[i]);
    return count;
  }

 private:
  template <class Area>
  Area* here(Area* area, size_t bytes) {
    return reinterpret_cast<Area*>(memory_.translate_user(guest_address(area), bytes));
  }
  void attach(DeviceQueue& queue, const SplitRing& ring, uint64_t features) {
    SplitRing there;
    there.desc = here(ring.desc, SplitRing::desc_bytes(ring.size));
    there.avail = here(ring.avail, SplitRing::avail_bytes(ring.size));
    there.used = here(ring.used, SplitRing::used_bytes(ring.size));
    there.size = ring.size;
    queue.attach(there, 0, features);
  }
  void attach(DeviceQueue& queue, const PackedRing& ring, uint64_t features) {
    PackedRing there;
    there.desc = here(ring.desc, PackedRing::desc_bytes(ring.size));
    there.driver = here(ring.driver, PackedRing::avail_bytes(ring.size));
    there.device = here(ring.device, PackedRing::used_bytes(ring.size));
    there.size = ring.size;
    queue.attach(there, PackedPosition{}.word(), features);
  }

  Segment segment_;
  RegionTable memory_;
  std::optional<BufferPool> pool_;
  DriverCounters driver_counters_;
  std::optional<QueuePair> pair_;
  DeviceQueue transmit_queue_, receive_queue_;
  CounterBlock counters_{};
  PortRuntime runtime_;
};

uint64_t number(const char* text, int base) {
  char* end;
  uint64_t value = std::strtoull(text, &end, base);
  if (*text == '\0' || *end != '\0') fail("arguments", std::string("expected a number, got ") + text);
  return value;
}

int run(uint64_t features, uint16_t queue_size, uint32_t bytes, uint64_t bursts, std::optional<uint16_t> idle) {
  check(FaultGuard::install(), "fault guard");
  constexpr MacAddress kSender = 0x0100'0000'0002, kReceiver = 0x0200'0000'0002;
  const uint16_t count = static_cast<uint16_t>(2 + idle.value_or(0));
  PortTable ports(count);
  Network network(256, 300, count);
  Forwarder forwarder(ports);
  DataThread thread(ports, 0, 1, {}, [] {});
  Pod sender(ports, network, 0, features, queue_size);
  Pod receiver(ports, network, 1, features, queue_size);
  std::deque<Pod> others;
  for (uint16_t index = 2; index < count; index++) {
    others.emplace_back(ports, network, index, features, queue_size, kIdleBuffers);
  }
  ports.set_end(count);
  network.macs.learn(kReceiver, 1, idle ? coarse_seconds() : 1);
  uint64_t frames = 0;
  for (uint64_t burst = 0; burst < bursts; burst++) {
    sender.send(bytes, kReceiver, kSender);
    if (idle) {
      thread.poll();
    } else {
      forwarder.forward(sender.runtime(), 1);
    }
    frames += receiver.receive();
  }
  if (frames != bursts * kBurst) {
    fail("frames", "expected " + std::to_string(bursts * kBurst) + ", got " + std::to_string(frames));
  }
  std::printf("{\"frames\":%" PRIu64 "}\n", frames);
  return 0;
}

}  // namespace
}  // namespace usvhost

int main(int count, char** arguments) {
  if (count != 5 && count != 6) {
    std::fprintf(stderr, "usage: forward_loop FEATURES QUEUE_SIZE FRAME_BYTES BURSTS [IDLE]\n");
    return 2;
  }
  auto small = [&](int which) { return static_cast<uint16_t>(usvhost::number(arguments[which], 10)); };
  std::optional<uint16_t> idle;
  if (count == 6) idle = small(5);
  return usvhost::run(usvhost::number(arguments[1], 16), small(2),
                      static_cast<uint32_t>(usvhost::number(arguments[3], 10)), usvhost::number(arguments[4], 10),
                      idle);
}
