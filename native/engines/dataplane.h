// SPDX-License-Identifier: Apache-2.0
// A whole dataplane: one segment, one or two ports, a lane for each queue pair with its buffers and its engine, the data
// threads that run the lanes, and the connector that keeps the ports connected.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include "driver/connector.h"
#include "engines/handler.h"
#include "engines/l2fwd.h"
#include "engines/lane.h"
#include "engines/ping.h"
#include "engines/responder.h"
#include "engines/tap.h"
#include "engines/traffic.h"

namespace usvhost {

using EngineOptions =
    std::variant<L2fwdOptions, TrafficOptions, ResponderOptions, PingOptions, TapOptions, HandlerOptions>;

struct DataplaneOptions {
  std::vector<VirtioPortOptions> ports;  // two of them have the same number of queue pairs
  EngineOptions engine;
  SegmentOptions segment;  // `bytes` is computed from the ports
  uint32_t buffers = 0;    // 0: enough for all rings and the bursts in flight
  std::vector<int> cpus;   // of the data threads, -1: not pinned; empty: a thread for each queue pair, not pinned
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

class Dataplane {
 public:
  Dataplane(DataplaneOptions options, std::function<void(LinkEvent)> on_event)
      : options_(std::move(options)), on_event_(std::move(on_event)) {}
  ~Dataplane() { stop(); }
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;

  /** Fails with USV_CONFIG, USV_MEMORY, USV_TAP, USV_IO; then nothing runs. */
  Status start();
  void stop();
  void set_running(bool running);
  /** Has the first `pairs` queue pairs of each port carry frames, at least one; any thread, at any time. */
  void set_active_pairs(uint16_t pairs);
  /** Counters of a port are the sums of its queue pairs', numbers of the engine those of all lanes. */
  DataplaneReport report() const;
  /** How often data threads went to sleep. */
  uint64_t sleeps() const;

 private:
  Status check_options() const;
  Status make_ports();
  Status make_lanes();
  Status start_threads();
  std::unique_ptr<Engine> make_engine(std::vector<PortQueue*> queues);
  uint16_t pairs() const { return options_.ports.front().queue_pairs; }

  DataplaneOptions options_;
  std::function<void(LinkEvent)> on_event_;
  Segment segment_;
  std::vector<std::unique_ptr<BufferPool>> pools_;  // of the lanes
  std::vector<std::unique_ptr<VirtioPort>> ports_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<LaneThread>> threads_;
  std::unique_ptr<Connector> connector_;
};

}  // namespace usvhost
