// SPDX-License-Identifier: Apache-2.0
#include "engines/dataplane.h"

#include <algorithm>

namespace usvhost {

namespace {

// Frames that an engine holds between receive and transmit.
constexpr uint32_t kBuffersInHand = 4 * kEngineBurst;

/** What the engine has in hand or in a transmit ring beyond one buffer for each entry of the ring. */
uint32_t buffers_of_engine(const EngineOptions& engine, uint32_t queue_size) {
  if (std::holds_alternative<HandlerOptions>(engine)) return Handler::kBuffers;
  // A few of the largest frames; while there are more, the kernel's queue keeps them.
  if (std::holds_alternative<TapOptions>(engine)) return 16 * ReadAhead::kBuffers;
  const auto* traffic = std::get_if<TrafficOptions>(&engine);
  // A frame of several buffers has one more for its table.
  uint32_t each = traffic == nullptr ? 1 : buffers_of(traffic->size);
  return each == 1 ? 0 : each * (queue_size + kBuffersInHand);
}

/** Engines that keep what they know of a conversation in one place cannot have its frames come in by several pairs. */
bool takes_pairs(const EngineOptions& engine) {
  return !std::holds_alternative<PingOptions>(engine) && !std::holds_alternative<HandlerOptions>(engine);
}

bool takes_ports(const EngineOptions& engine) {
  return std::holds_alternative<L2fwdOptions>(engine) || std::holds_alternative<HandlerOptions>(engine);
}

/** Adds the numbers of one more lane or pair, which have the same names in the same order. */
void add_up(std::vector<Metric>& sums, std::vector<Metric> more) {
  if (sums.empty()) sums.swap(more);
  for (size_t i = 0; i < more.size(); i++) sums[i].value += more[i].value;
}

std::vector<Metric> metrics_of(const DriverCounters& counters) {
  auto metric = [](const char* name, const std::atomic<uint64_t>& value) {
    return Metric{name, static_cast<double>(value.load(std::memory_order_relaxed))};
  };
  return {metric("rx_packets", counters.rx_packets),
          metric("rx_bytes", counters.rx_bytes),
          metric("tx_packets", counters.tx_packets),
          metric("tx_bytes", counters.tx_bytes),
          metric("rx_drop_length", counters.rx_drop_length),
          metric("rx_drop_buffers", counters.rx_drop_buffers),
          metric("tx_drop_full", counters.tx_drop_full),
          metric("tx_drop_down", counters.tx_drop_down),
          metric("tx_drop_long", counters.tx_drop_long),
          metric("tx_drop_mtu", counters.tx_drop_mtu),
          metric("tx_lost", counters.tx_lost)};
}

}  // namespace

Status Dataplane::check_options() const {
  if (options_.ports.empty() || options_.ports.size() > 2) {
    return failure("USV_CONFIG", "expected one or two ports, got %zu", options_.ports.size());
  }
  if (options_.ports.size() != 1 && !takes_ports(options_.engine)) {
    return failure("USV_CONFIG", "expected one port for this engine, got %zu", options_.ports.size());
  }
  for (const VirtioPortOptions& port : options_.ports) {
    bool valid = port.packed ? valid_packed_size(port.queue_size) : valid_split_size(port.queue_size);
    if (!valid || port.queue_size < 2) {
      return failure("USV_CONFIG", "expected a queue size from 2 to %u, a power of two unless rings are packed, got %u",
                     kMaxQueueSize, port.queue_size);
    }
    if (port.queue_pairs == 0 || port.queue_pairs > kMaxQueuePairs || port.queue_pairs != pairs()) {
      return failure("USV_CONFIG", "expected 1 to %u queue pairs, the same number for each port, got %u",
                     unsigned{kMaxQueuePairs}, port.queue_pairs);
    }
  }
  if (pairs() != 1 && !takes_pairs(options_.engine)) {
    return failure("USV_CONFIG", "expected one queue pair for this engine, got %u", pairs());
  }
  return {};
}

/** The segment: all rings, then the buffers of each lane. */
Status Dataplane::make_ports() {
  size_t ring_bytes = 0;
  uint32_t buffers = kBuffersInHand + buffers_of_engine(options_.engine, options_.ports.front().queue_size);
  for (const VirtioPortOptions& port : options_.ports) {
    ring_bytes += VirtioPort::ring_bytes(port);
    buffers += 2u * port.queue_size;
  }
  if (options_.buffers != 0) buffers = std::max(1u, options_.buffers / pairs());
  SegmentOptions segment = options_.segment;
  segment.bytes = ring_bytes + size_t{pairs()} * buffers * kBufferStride;
  if (!options_.cpus.empty()) segment.cpu = options_.cpus.front();
  if (Status status = segment_.create(segment); !status.ok()) return status;
  uint8_t* at = segment_.data() + ring_bytes;
  for (uint16_t pair = 0; pair < pairs(); pair++, at += size_t{buffers} * kBufferStride) {
    pools_.push_back(std::make_unique<BufferPool>(at, buffers));
  }
  uint8_t* rings = segment_.data();
  for (const VirtioPortOptions& port : options_.ports) {
    ports_.push_back(std::make_unique<VirtioPort>(port, pools_, rings));
    rings += VirtioPort::ring_bytes(port);
    if (Status status = ports_.back()->open(); !status.ok()) return status;
  }
  return {};
}

Status Dataplane::make_lanes() {
  // An end to what is sent holds for all lanes together.
  if (auto* traffic = std::get_if<TrafficOptions>(&options_.engine); traffic != nullptr && traffic->limit != 0) {
    traffic->budget = std::make_shared<FrameBudget>(traffic->limit);
  }
  uint64_t offloads = UINT64_MAX;
  for (uint16_t pair = 0; pair < pairs(); pair++) {
    std::vector<PortQueue*> queues;
    for (auto& port : ports_) queues.push_back(&port->queue(pair));
    lanes_.push_back(std::make_unique<Lane>(queues, make_engine(queues)));
    Engine& engine = lanes_.back()->engine();
    if (Status status = engine.open(); !status.ok()) return status;
    offloads &= engine.offloads();
  }
  for (auto& port : ports_) port->offer(offloads);
  return {};
}

std::unique_ptr<Engine> Dataplane::make_engine(std::vector<PortQueue*> queues) {
  PortQueue& first = *queues.front();
  if (const auto* l2fwd = std::get_if<L2fwdOptions>(&options_.engine))
    return std::make_unique<L2fwd>(std::move(queues), *l2fwd);
  if (const auto* handler = std::get_if<HandlerOptions>(&options_.engine))
    return std::make_unique<Handler>(std::move(queues), *handler);
  if (const auto* traffic = std::get_if<TrafficOptions>(&options_.engine))
    return std::make_unique<Traffic>(first, *traffic);
  if (const auto* responder = std::get_if<ResponderOptions>(&options_.engine))
    return std::make_unique<Responder>(first, *responder);
  if (const auto* ping = std::get_if<PingOptions>(&options_.engine)) return std::make_unique<Ping>(first, *ping);
  return std::make_unique<Tap>(first, std::get<TapOptions>(options_.engine));
}

/** Lanes are dealt to the threads in turn. */
Status Dataplane::start_threads() {
  std::vector<int> cpus = options_.cpus;
  if (cpus.empty()) cpus.assign(pairs(), -1);
  size_t count = std::min<size_t>(cpus.size(), pairs());
  for (size_t i = 0; i < count; i++) {
    std::vector<Lane*> lanes;
    for (size_t pair = i; pair < lanes_.size(); pair += count) lanes.push_back(lanes_[pair].get());
    threads_.push_back(std::make_unique<LaneThread>(
        std::move(lanes), PollThreadOptions{cpus[i], options_.idle_micros, "usvhost-data", options_.poll_mode}));
    if (Status status = threads_.back()->start(); !status.ok()) return status;
  }
  return {};
}

Status Dataplane::start() {
  if (Status status = check_options(); !status.ok()) return status;
  if (Status status = make_ports(); !status.ok()) return status;
  if (Status status = make_lanes(); !status.ok()) return status;
  if (Status status = start_threads(); !status.ok()) return status;
  std::vector<VirtioPort*> ports;
  for (auto& port : ports_) ports.push_back(port.get());
  connector_ = std::make_unique<Connector>(ports, segment_, options_.connector, on_event_);
  return connector_->start();
}

/** The connector goes first: it waits for answers of the data threads. */
void Dataplane::stop() {
  if (connector_) connector_->stop();
  for (auto& thread : threads_) thread->stop();
}

void Dataplane::set_running(bool running) {
  for (auto& lane : lanes_) lane->engine().set_running(running);
  for (auto& thread : threads_) thread->wake();
}

void Dataplane::set_active_pairs(uint16_t pairs) {
  for (auto& port : ports_) port->want_active(pairs);
  connector_->wake();
}

uint64_t Dataplane::sleeps() const {
  uint64_t sleeps = 0;
  for (const auto& thread : threads_) sleeps += thread->sleeps();
  return sleeps;
}

DataplaneReport Dataplane::report() const {
  DataplaneReport report;
  for (const auto& port : ports_) {
    std::vector<Metric> counters;
    for (uint16_t pair = 0; pair < port->pairs(); pair++) add_up(counters, metrics_of(port->queue(pair).counters()));
    for (uint16_t pair = 0; port->pairs() > 1 && pair < port->pairs(); pair++) {
      const DriverCounters& own = port->queue(pair).counters();
      auto add = [&](const char* name, const std::atomic<uint64_t>& value) {
        counters.push_back({name + std::to_string(pair), static_cast<double>(value.load(std::memory_order_relaxed))});
      };
      add("rx_packets_q", own.rx_packets);
      add("tx_packets_q", own.tx_packets);
    }
    if (port->pairs() > 1) counters.push_back({"active_pairs", static_cast<double>(port->active())});
    report.ports.push_back({port->options().name, std::move(counters)});
  }
  for (const auto& lane : lanes_) add_up(report.engine, lane->engine().report());
  return report;
}

}  // namespace usvhost
