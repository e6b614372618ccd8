// SPDX-License-Identifier: Apache-2.0
// Answers ARP requests and ICMP echo requests for one address: a pod that can be pinged without a kernel interface.
#pragma once

#include "engines/engine.h"
#include "engines/frames.h"

namespace usvhost {

struct ResponderOptions {
  MacAddress mac = 0;
  Ipv4Address ip = 0;
};

class Responder final : public Engine {
 public:
  Responder(PortQueue& port, ResponderOptions options) : port_(port), options_(options) {}
  void connected() override {
    if (port_.mac() != 0) options_.mac = port_.mac();
  }
  uint32_t poll() override;
  std::vector<Metric> report() const override;

 private:
  PortQueue& port_;
  ResponderOptions options_;
  std::atomic<uint64_t> answered_{0};
  std::atomic<uint64_t> ignored_{0};
};

}  // namespace usvhost
