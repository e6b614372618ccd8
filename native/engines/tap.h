// SPDX-License-Identifier: Apache-2.0
// Joins a queue pair of a port with a queue of a tap device of the pod's network namespace, so that any program in the pod
// uses the port through the kernel. The tap exists already and belongs to us by uid; attaching needs no capability.
#pragma once

#include <string>

#include "engines/engine.h"
#include "engines/read_ahead.h"
#include "offload/abilities.h"

namespace usvhost {

struct TapOptions {
  std::string device;  // the interface's name, 1 to 15 bytes
  std::string node = "/dev/net/tun";
  bool multi_queue = false;  // attach to one of several queues; the kernel refuses it for a tap that was made with one
  bool offloads = true;      // whether checksums and segmentation are left to whoever agrees to do them
  // Nanoseconds for which a tap that was found empty is left alone, unless the port has a frame or the thread is about to sleep.
  uint32_t rest_nanos = 2000;
};

class Tap final : public Engine {
 public:
  Tap(PortQueue& port, TapOptions options) : port_(port), options_(std::move(options)), ahead_(port.pool()) {}
  /** Fails with USV_TAP: no such device, owned by another uid, or the node cannot be opened. */
  Status open() override;
  Status watch(const PollThread& thread) override { return thread.watch(tap_.get()); }
  uint64_t offloads() const override { return offloads_; }
  void connected() override;
  uint32_t poll() override;
  bool pending() override;
  /** After a look by pending(), or a sleep from which the tap may have woken us. */
  void disarm() override { rest_until_ = 0; }
  std::vector<Metric> report() const override;

 private:
  uint32_t from_port();
  bool to_kernel(const Packet& packet);
  void take_address();
  bool write_header(const Packet& packet);
  void attach(bool attached);
  bool resting() const;
  uint32_t from_tap();

  PortQueue& port_;
  TapOptions options_;
  Fd tap_;
  ReadAhead ahead_;
  bool attached_ = true;     // the kernel gives us frames; one of several queues need not get any
  uint64_t rest_until_ = 0;  // as monotonic_nanos() tells it
  uint64_t offloads_ = 0;
  Offloads sent_;                              // what the back-end does for us
  Offloads received_;                          // what it may leave to us
  std::atomic<uint64_t> tap_drops_{0};         // frames that the tap did not take: interface down or its queue full
  std::atomic<uint64_t> tap_drop_header_{0};   // the back-end's header said what cannot be, or was not agreed on
  std::atomic<uint64_t> tap_drop_offload_{0};  // the kernel had left undone what this back-end does not do
  std::atomic<uint64_t> tap_mac_refused_{0};   // the tap could not have the back-end's address, and has kept its own
};

}  // namespace usvhost
