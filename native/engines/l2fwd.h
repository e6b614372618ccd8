// SPDX-License-Identifier: Apache-2.0
// l2fwd, the first application of the RFC: what comes in at one port goes out at the other one, or back at the only one,
// with its MAC addresses swapped or rewritten. Frames are forwarded in the buffer they came in.
#pragma once

#include "engines/engine.h"
#include "switch/mac_table.h"

namespace usvhost {

struct L2fwdOptions {
  bool swap = true;                // false: rewrite
  MacAddress source_mac = 0;       // rewrite: the new source
  MacAddress destination_mac = 0;  // rewrite: the new destination
};

class L2fwd final : public Engine {
 public:
  L2fwd(std::vector<PortQueue*> ports, L2fwdOptions options) : ports_(std::move(ports)), options_(options) {}
  void connected() override {
    if (ports_.front()->mac() != 0) options_.source_mac = ports_.front()->mac();
  }
  uint32_t poll() override;

 private:
  std::vector<PortQueue*> ports_;
  L2fwdOptions options_;
};

}  // namespace usvhost
