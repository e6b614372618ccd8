// SPDX-License-Identifier: Apache-2.0
#include "switch/switch.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/cpu.h"
#include "memory/fault_guard.h"
#include "switch/publication.h"

namespace usvhost {

namespace {

constexpr uint32_t kFrameOverhead = 18;  // Ethernet header and one VLAN tag
// Keys of the control thread's epoll set: what kind of descriptor, and the slot it belongs to.
constexpr uint64_t kControlKey = uint64_t{1} << 32;
constexpr uint64_t kFaultKey = uint64_t{2} << 32;
constexpr uint64_t kListenerKey = uint64_t{3} << 32;
constexpr uint64_t kConnectionKey = uint64_t{4} << 32;
constexpr uint64_t kKindMask = ~uint64_t{0} << 32;

Status watch(int epoll, int fd, uint32_t events, uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return system_failure("USV_IO", "epoll_ctl");
}

}  // namespace

Switch::Switch(SwitchOptions options, std::function<void(PortEvent)> on_event)
    : options_(std::move(options)),
      on_event_(std::move(on_event)),
      table_(options_.max_ports),
      ports_(options_.max_ports) {}

Status Switch::start() {
  if (Status status = FaultGuard::install(); !status.ok()) return status;
  if (Status status = stats_.create(options_.stats_file, options_.max_ports); !status.ok()) return status;
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  control_event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !control_event_) return system_failure("USV_IO", "epoll and eventfd of the control thread");
  if (Status status = watch(epoll_.get(), control_event_.get(), EPOLLIN, kControlKey); !status.ok()) return status;
  if (Status status = watch(epoll_.get(), FaultGuard::wake_fd(), EPOLLIN | EPOLLET, kFaultKey); !status.ok()) {
    return status;
  }
  std::vector<int> cpus = options_.cpus.empty() ? std::vector<int>{-1} : options_.cpus;
  for (uint32_t i = 0; i < cpus.size(); i++) {
    PollThreadOptions thread{cpus[i], options_.idle_micros, "usvhost-switch", options_.poll_mode};
    threads_.push_back(std::make_unique<DataThread>(table_, i, static_cast<uint32_t>(cpus.size()), thread,
                                                    [this] { wake_control(); }));
  }
  for (auto& thread : threads_) {
    Status status = thread->start();
    if (status.ok()) continue;
    for (auto& started : threads_) started->stop();
    threads_.clear();
    return status;
  }
  control_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "usvhost-control");
    run_control();
  });
  return {};
}

void Switch::stop() {
  if (control_.joinable()) {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_control();
    control_.join();
  }
  for (auto& port : ports_) {
    if (port != nullptr) remove_port(port->options.name);
  }
  for (auto& thread : threads_) thread->stop();
}

void Switch::wake_control() const {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(control_event_.get(), &one, sizeof one);
}

Port* Switch::find(const std::string& name) {
  for (auto& port : ports_) {
    if (port != nullptr && port->options.name == name) return port.get();
  }
  return nullptr;
}

/** That of a port that has it, or a new one: it goes with its last port. */
std::shared_ptr<Network> Switch::network_of(const std::string& name) {
  for (auto& port : ports_) {
    if (port != nullptr && port->options.network == name) return port->network;
  }
  return std::make_shared<Network>(options_.mac_table_size, options_.mac_age_seconds, options_.max_ports);
}

Status Switch::add_port(PortOptions options) {
  std::lock_guard lock(mutex_);
  if (find(options.name) != nullptr) {
    return failure("USV_PORT_OCCUPIED", "expected a new port name, got %s again", options.name.c_str());
  }
  auto free = std::find(ports_.begin(), ports_.end(), nullptr);
  if (free == ports_.end()) {
    return failure("USV_CONFIG", "expected at most %u ports (maxPorts), got one more", options_.max_ports);
  }
  auto index = static_cast<uint16_t>(free - ports_.begin());
  auto port = std::make_unique<Port>(index, std::move(options));
  port->host = this;
  if (Status status = open_port(*port); !status.ok()) return status;
  port->network = network_of(port->options.network);
  if (port->options.mac && !port->network->macs.add_static(*port->options.mac, index)) {
    unlink_socket(*port);
    return failure("USV_PORT_OCCUPIED",
                   "expected a MAC address for %s that is not another port's of its network, and room for it",
                   port->options.name.c_str());
  }
  port->counters = &stats_.open(index, port->options.name);
  port->runtime.index = index;
  port->runtime.network = port->network.get();
  port->runtime.counters = port->counters;
  port->runtime.max_frame = port->options.mtu + kFrameOverhead;
  table_.set_end(std::max<uint32_t>(table_.end(), index + 1u));
  *free = std::move(port);
  set_state(**free, (*free)->idle_state(), "");
  wake_control();  // a first attempt may be due
  return {};
}

Status Switch::open_port(Port& port) {
  if (port.options.connect) {
    port.redial.begin();
    return {};
  }
  if (Status status = listen_on(port.options.socket, port.listener); !status.ok()) return status;
  Status status = watch(epoll_.get(), port.listener.get(), EPOLLIN, kListenerKey | port.index);
  if (!status.ok()) unlink_socket(port);
  return status;
}

/** Where the pod listens the socket is the pod's. */
void Switch::unlink_socket(const Port& port) {
  if (!port.options.connect) unlink(port.options.socket.path.c_str());
}

bool Switch::remove_port(const std::string& name) {
  std::lock_guard lock(mutex_);
  Port* port = find(name);
  if (port == nullptr) return false;
  if (port->connection) {
    withdraw(*port);
    port->connection.reset();
  }
  port->network->macs.remove_port(port->index);
  stats_.close(port->index);
  unlink_socket(*port);
  ports_[port->index].reset();
  uint32_t end = table_.end();
  while (end > 0 && ports_[end - 1] == nullptr) end--;
  table_.set_end(end);
  return true;
}

std::vector<PortStatus> Switch::ports() {
  std::lock_guard lock(mutex_);
  std::vector<PortStatus> all;
  for (auto& port : ports_) {
    if (port == nullptr) continue;
    PortStatus status{port->options.name, port->options.socket.path, port->state, 0,
                      port->last_error,   port->connections,         {}};
    if (port->connection) status.features = port->connection->back_end().features();
    for (const CounterName& entry : kCounterNames) {
      status.counters.values[static_cast<size_t>(entry.counter)] = port->counters->get(entry.counter);
    }
    all.push_back(std::move(status));
  }
  return all;
}

uint64_t Switch::sleeps() const {
  uint64_t total = 0;
  for (const auto& thread : threads_) total += thread->thread().sleeps();
  return total;
}

/** After this no data thread holds anything of the port: memory may be unmapped, rings changed, descriptors closed. */
void Switch::withdraw(Port& port) {
  if (!port.published) return;
  table_.withdraw(port.index);
  for (int kick : port.watched_kicks) owner(port).unwatch(kick);
  port.watched_kicks.clear();
  for (const auto& thread : threads_) thread->thread().epoch().wait_until_quiescent();
  port.published = false;
}

/** Makes what runs of the port visible to the data threads; nothing happens while no ring is active. */
void Switch::publish(Port& port) {
  BackEnd& session = port.connection->back_end();
  bool runs = false;
  for (uint16_t i = 0; i < kMaxQueues; i++) {
    BackEndQueue& queue = session.queue(i);
    if (!queue.active()) continue;
    runs = true;
    // Those of receive queues are never asked for: buffers are looked for when there is a frame for them.
    queue.ring.refuse_kicks();
    if (i % 2 == kTransmitQueue) watch_kick(port, queue.kick.get());
  }
  if (!runs) {
    if (port.state == PortState::kUp) set_state(port, PortState::kHandshake, "the front-end stopped its rings");
    return;
  }
  describe_queues(session, port.runtime);
  table_.publish(port.index, &port.runtime);
  port.published = true;
  owner(port).wake();
  const BackEndQueue& transmit = session.queue(kTransmitQueue);
  const BackEndQueue& receive = session.queue(kReceiveQueue);
  bool up = transmit.active() && receive.active() && transmit.enabled && receive.enabled;
  if (up) port.redial.proved();
  if (up && port.state != PortState::kUp) set_state(port, PortState::kUp, "");
  if (!up && port.state == PortState::kUp) set_state(port, PortState::kHandshake, "the front-end disabled a ring");
}

/** A descriptor that cannot be polled only costs its own pod wake-ups: the queue is then noticed on other work. */
void Switch::watch_kick(Port& port, int kick) {
  if (Status watched = owner(port).watch(kick); watched.ok()) {
    port.watched_kicks.push_back(kick);
  } else {
    port.last_error = watched.describe();
  }
}

void Switch::set_state(Port& port, PortState state, std::string reason) {
  port.state = state;
  on_event_({port.options.name, state, std::move(reason)});
}

void Switch::run_control() {
  epoll_event events[64];
  int timeout = -1;
  for (;;) {
    int count = epoll_wait(epoll_.get(), events, 64, timeout);
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    uint64_t now = monotonic_nanos();
    // Connections first: an old one that has ended must not make its port look occupied to a new one.
    for (int pass = 0; pass < 2; pass++) {
      for (int i = 0; i < count; i++) {
        bool listener = (events[i].data.u64 & kKindMask) == kListenerKey;
        if (listener == (pass == 1)) on_event_fd(events[i].data.u64, events[i].events, now);
      }
    }
    timeout = keep_time(now);
  }
}

void Switch::on_event_fd(uint64_t key, uint32_t events, uint64_t now) {
  if ((key & kKindMask) == kControlKey) {
    uint64_t drained;
    [[maybe_unused]] ssize_t got = ::read(control_event_.get(), &drained, sizeof drained);
    close_broken();
    return;
  }
  if ((key & kKindMask) == kFaultKey) {
    close_broken();
    return;
  }
  // An event may be older than the removal of its port; whatever the slot holds now is asked without blocking.
  Port* port = ports_[static_cast<uint32_t>(key)].get();
  if (port == nullptr) return;
  if ((key & kKindMask) == kListenerKey) {
    accept_on(*port, now);
    return;
  }
  if (!port->connection) return;
  Status status;
  bool closed = false;
  if ((events & EPOLLOUT) != 0) status = port->connection->on_writable();
  if (status.ok()) status = port->connection->on_readable(now, closed);
  if (!status.ok() || closed) {
    close_connection(*port, status);
  } else {
    update_interest(*port);
  }
}

void Switch::accept_on(Port& port, uint64_t now) {
  Fd socket(accept4(port.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;
  if (port.connection && port.connection->hung_up()) close_connection(port, {});
  if (port.connection) {
    // One connection at a time: a second one must not take a running port over. Closing tells the peer.
    port.last_error = "USV_PORT_BUSY: expected one connection to the port, got a second one, which was closed";
    on_event_({port.options.name, port.state, port.last_error});
    return;
  }
  adopt(port, std::move(socket), now);
}

/** One attempt to connect to a pod that listens. It never waits: a unix socket connects at once or not at all. */
void Switch::dial(Port& port, uint64_t now) {
  Fd socket;
  if (Status status = connect_to_foreign(port.options.socket.path, socket); !status.ok()) {
    port.redial.again(now);
    port.last_error = status.describe();
    if (port.redial.news(port.last_error)) set_state(port, PortState::kConnecting, port.last_error);
    return;
  }
  port.redial.connected();
  adopt(port, std::move(socket), now);
}

void Switch::adopt(Port& port, Fd socket, uint64_t now) {
  int fd = socket.get();
  DeviceFacts facts{port.options.mac, static_cast<uint16_t>(port.options.mtu)};
  port.connection.emplace(std::move(socket), port, facts, options_.handshake_millis * 1'000'000ull, now);
  if (Status status = watch(epoll_.get(), fd, EPOLLIN, kConnectionKey | port.index); !status.ok()) {
    close_connection(port, status);
    return;
  }
  port.connections++;
  port.runtime.broken.store(RingError::kNone, std::memory_order_relaxed);
  set_state(port, PortState::kHandshake, "");
}

void Switch::update_interest(Port& port) {
  epoll_event event{};
  event.events = EPOLLIN | (port.connection->wants_write() ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  event.data.u64 = kConnectionKey | port.index;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, port.connection->fd(), &event);
}

void Switch::close_connection(Port& port, const Status& reason) {
  withdraw(port);
  port.connection.reset();
  if (!reason.ok()) port.last_error = reason.describe();
  if (port.options.connect) port.redial.again(monotonic_nanos());
  set_state(port, port.idle_state(), reason.ok() ? "the front-end disconnected" : reason.describe());
}

/** Ends the ports whose rings a data thread found impossible or whose memory a pod took away. */
void Switch::close_broken() {
  for (auto& port : ports_) {
    if (port == nullptr || !port->connection) continue;
    RingError error = port->runtime.broken.load(std::memory_order_acquire);
    if (port->connection->back_end().memory().faulted()) {
      close_connection(*port,
                       failure("USV_REGION", "expected shared memory that stays, got a file that was truncated"));
    } else if (error != RingError::kNone) {
      close_connection(*port, failure("USV_RING", "%s", describe(error)));
    }
  }
}

/**
 * Closes connections whose time is over and makes the attempts that are due; returns the milliseconds until the next
 * of either, -1 for none.
 */
int Switch::keep_time(uint64_t now) {
  uint64_t next = UINT64_MAX;
  for (auto& port : ports_) {
    if (port == nullptr) continue;
    if (port->connection && port->connection->deadline() <= now) {
      close_connection(*port, failure("USV_HANDSHAKE", "expected a complete message within %u ms, got silence",
                                      options_.handshake_millis));
    }
    if (port->redial.due() <= now) dial(*port, now);
    next = std::min(next, port->connection ? port->connection->deadline() : port->redial.due());
  }
  if (next == UINT64_MAX) return -1;
  if (next <= now) return 0;
  return static_cast<int>((next - now) / 1'000'000u) + 1;
}

}  // namespace usvhost
