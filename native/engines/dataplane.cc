// SPDX-License-Identifier: Apache-2.0
#include "engines/dataplane.h"

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

}  // namespace

Status Dataplane::start() {
  if (options_.ports.empty() || options_.ports.size() > 2) {
    return failure("USV_CONFIG", "expected one or two ports, got %zu", options_.ports.size());
  }
  size_t ring_bytes = 0;
  uint32_t buffers = kBuffersInHand;
  for (const VirtioPortOptions& port : options_.ports) {
    bool valid = port.packed ? valid_packed_size(port.queue_size) : valid_split_size(port.queue_size);
    if (!valid || port.queue_size < 2) {
      return failure("USV_CONFIG", "expected a queue size from 2 to %u, a power of two unless rings are packed, got %u",
                     kMaxQueueSize, port.queue_size);
    }
    ring_bytes += VirtioPort::ring_bytes(port.queue_size);
    buffers += 2u * port.queue_size;
  }
  buffers += buffers_of_engine(options_.engine, options_.ports.front().queue_size);
  if (options_.buffers != 0) buffers = options_.buffers;
  SegmentOptions segment = options_.segment;
  segment.bytes = ring_bytes + size_t{buffers} * kBufferStride;
  if (Status status = segment_.create(segment); !status.ok()) return status;
  pool_ = std::make_unique<BufferPool>(segment_.data() + ring_bytes, buffers);
  std::vector<VirtioPort*> ports;
  uint8_t* rings = segment_.data();
  for (VirtioPortOptions& port : options_.ports) {
    ports_.push_back(std::make_unique<VirtioPort>(port, *pool_, rings));
    rings += VirtioPort::ring_bytes(port.queue_size);
    ports.push_back(ports_.back().get());
    if (Status status = ports_.back()->open(); !status.ok()) return status;
  }
  if (Status status = make_engine(); !status.ok()) return status;
  PollThreadOptions thread{options_.cpu, options_.idle_micros, "usvhost-data", options_.poll_mode};
  thread_ = std::make_unique<PollThread>(thread);
  if (Status status = thread_->start(*this); !status.ok()) return status;
  for (auto& port : ports_) {
    if (Status status = port->watch(*thread_); !status.ok()) return status;
  }
  if (Status status = engine_->watch(*thread_); !status.ok()) return status;
  connector_ = std::make_unique<Connector>(ports, segment_, *thread_, options_.connector, on_event_);
  return connector_->start();
}

Status Dataplane::make_engine() {
  std::vector<VirtioPort*> all;
  for (auto& port : ports_) all.push_back(port.get());
  std::vector<VirtioPort*> ports = all;
  VirtioPort& first = *ports_.front();
  if (const auto* l2fwd = std::get_if<L2fwdOptions>(&options_.engine)) {
    engine_ = std::make_unique<L2fwd>(std::move(ports), *l2fwd);
  } else if (const auto* handler = std::get_if<HandlerOptions>(&options_.engine)) {
    engine_ = std::make_unique<Handler>(std::move(ports), *handler);
  } else if (ports_.size() != 1) {
    return failure("USV_CONFIG", "expected one port for this engine, got %zu", ports_.size());
  } else if (const auto* traffic = std::get_if<TrafficOptions>(&options_.engine)) {
    engine_ = std::make_unique<Traffic>(first, *traffic);
  } else if (const auto* responder = std::get_if<ResponderOptions>(&options_.engine)) {
    engine_ = std::make_unique<Responder>(first, *responder);
  } else if (const auto* ping = std::get_if<PingOptions>(&options_.engine)) {
    engine_ = std::make_unique<Ping>(first, *ping);
  } else {
    engine_ = std::make_unique<Tap>(first, std::get<TapOptions>(options_.engine));
  }
  if (Status status = engine_->open(); !status.ok()) return status;
  for (VirtioPort* port : all) port->offer(engine_->offloads());
  return {};
}

/** The connector goes first: it waits for answers of the data thread. */
void Dataplane::stop() {
  if (connector_) connector_->stop();
  if (thread_) thread_->stop();
}

uint32_t Dataplane::poll() {
  for (auto& port : ports_) {
    if (port->serve_control()) [[unlikely]]
      engine_->connected();
  }
  return engine_->poll();
}

void Dataplane::arm() {
  engine_->arm();
  for (auto& port : ports_) port->arm();
}

bool Dataplane::pending() {
  bool receptive = engine_->receptive();
  for (auto& port : ports_) {
    if (port->reset_wanted() || (receptive && port->pending())) return true;
  }
  return engine_->pending();
}

void Dataplane::disarm() {
  engine_->disarm();
  for (auto& port : ports_) port->disarm();
}

DataplaneReport Dataplane::report() const {
  DataplaneReport report;
  for (const auto& port : ports_) {
    const DriverCounters& counters = port->counters();
    auto metric = [](const char* name, const std::atomic<uint64_t>& value) {
      return Metric{name, static_cast<double>(value.load(std::memory_order_relaxed))};
    };
    report.ports.push_back(
        {port->options().name,
         {metric("rx_packets", counters.rx_packets), metric("rx_bytes", counters.rx_bytes),
          metric("tx_packets", counters.tx_packets), metric("tx_bytes", counters.tx_bytes),
          metric("rx_drop_length", counters.rx_drop_length), metric("rx_drop_buffers", counters.rx_drop_buffers),
          metric("tx_drop_full", counters.tx_drop_full), metric("tx_drop_down", counters.tx_drop_down),
          metric("tx_drop_long", counters.tx_drop_long), metric("tx_lost", counters.tx_lost)}});
  }
  report.engine = engine_->report();
  return report;
}

}  // namespace usvhost
