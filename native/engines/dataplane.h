// SPDX-License-Identifier: Apache-2.0
// A whole dataplane: one segment, its buffers, one or two ports, an engine, the data thread that runs it and the
// connector that keeps the ports connected.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include "driver/connector.h"
#include "engines/handler.h"
#include "engines/l2fwd.h"
#include "engines/ping.h"
#include "engines/responder.h"
#include "engines/tap.h"
#include "engines/traffic.h"

namespace usvhost {

using EngineOptions =
    std::variant<L2fwdOptions, TrafficOptions, ResponderOptions, PingOptions, TapOptions, HandlerOptions>;

struct DataplaneOptions {
  std::vector<VirtioPortOptions> ports;
  EngineOptions engine;
  SegmentOptions segment;  // `bytes` is computed from the ports
  uint32_t buffers = 0;    // 0: enough for all rings and the bursts in flight
  int cpu = -1;
  uint32_t idle_micros = 50;
  PollMode poll_mode = PollMode::kAdaptive;
  ConnectorOptions connector;
};

struct DataplaneReport {
  struct Port {
    std::string name;
    std::vector<Metric> counters;
  };
  std::vector<Port> ports;
  std::vector<Metric> engine;
};

class Dataplane final : private PollWork {
 public:
  Dataplane(DataplaneOptions options, std::function<void(LinkEvent)> on_event)
      : options_(std::move(options)), on_event_(std::move(on_event)) {}
  ~Dataplane() override { stop(); }

  /** Fails with USV_CONFIG, USV_MEMORY, USV_TAP, USV_IO; then nothing runs. */
  Status start();
  void stop();
  void set_running(bool running) {
    engine_->set_running(running);
    thread_->wake();
  }
  DataplaneReport report() const;
  /** How often the data thread went to sleep. */
  uint64_t sleeps() const { return thread_->sleeps(); }

 private:
  uint32_t poll() override;
  void arm() override;
  bool pending() override;
  void disarm() override;
  int max_sleep_millis() override { return engine_->max_sleep_millis(); }
  Status make_engine();

  DataplaneOptions options_;
  std::function<void(LinkEvent)> on_event_;
  Segment segment_;
  std::unique_ptr<BufferPool> pool_;
  std::vector<std::unique_ptr<VirtioPort>> ports_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<PollThread> thread_;
  std::unique_ptr<Connector> connector_;
};

}  // namespace usvhost
