// SPDX-License-Identifier: Apache-2.0
// Joins a port with a tap device of the pod's network namespace, so that any program in the pod uses the port through
// the kernel. The tap exists already and belongs to us by uid; attaching needs no capability.
#pragma once

#include <string>

#include "engines/engine.h"
#include "engines/read_ahead.h"

namespace usvhost {

struct TapOptions {
  std::string device;  // the interface's name, 1 to 15 bytes
  std::string node = "/dev/net/tun";
  bool multi_queue = false;  // how the tap was created; the kernel refuses the other way
};

class Tap final : public Engine {
 public:
  Tap(VirtioPort& port, TapOptions options) : port_(port), options_(std::move(options)), ahead_(port.pool()) {}
  /** Fails with USV_TAP: no such device, owned by another uid, or the node cannot be opened. */
  Status open() override;
  Status watch(const PollThread& thread) override { return thread.watch(tap_.get()); }
  uint32_t poll() override;
  bool pending() override;
  std::vector<Metric> report() const override;

 private:
  uint32_t from_port();
  bool to_kernel(const Packet& packet);
  uint32_t from_tap();

  VirtioPort& port_;
  TapOptions options_;
  Fd tap_;
  ReadAhead ahead_;
  std::atomic<uint64_t> tap_drops_{0};  // frames that the tap did not take: interface down or its queue full
};

}  // namespace usvhost
