// SPDX-License-Identifier: Apache-2.0
// The vhost switch: data threads that move frames, one control thread that speaks vhost-user with every port, and
// the calls that add and remove ports. Control state is guarded by one mutex; data threads never take it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "switch/data_thread.h"
#include "switch/port.h"
#include "switch/stats_file.h"

namespace usvhost {

struct SwitchOptions {
  std::vector<int> cpus;   // one data thread each, pinned; empty: one thread, not pinned
  std::string stats_file;  // created; removed at the end
  uint32_t max_ports = 256;
  uint32_t mac_table_size = 4096;  // of each network
  uint32_t mac_age_seconds = 300;
  uint32_t idle_micros = 50;
  PollMode poll_mode = PollMode::kAdaptive;
  uint32_t handshake_millis = 5000;
};

class Switch final : private Port::Host {
 public:
  /** `on_event` is called from the control thread and from callers of add and remove, with the mutex held: it must only queue. */
  Switch(SwitchOptions options, std::function<void(PortEvent)> on_event);
  ~Switch() override { stop(); }

  /** Fails with USV_CONFIG, USV_IO; then nothing runs. */
  Status start();
  /** Ends all threads, closes all ports, removes sockets and the statistics file. Idempotent. */
  void stop();

  /**
   * Fails with USV_PORT_OCCUPIED (name or socket in use, MAC in use in the network), USV_SOCKET_PATH, USV_CONFIG (table full), USV_IO. A port that
   * connects is there when this returns; whether its pod listens is told by events.
   */
  Status add_port(PortOptions options);
  /** False when there is no such port. */
  bool remove_port(const std::string& name);
  std::vector<PortStatus> ports();
  /** How often data threads went to sleep: what an idle switch does most. */
  uint64_t sleeps() const;

 private:
  void withdraw(Port& port) override;
  void publish(Port& port) override;

  void run_control();
  void on_event_fd(uint64_t key, uint32_t events, uint64_t now);
  void accept_on(Port& port, uint64_t now);
  void dial(Port& port, uint64_t now);
  void adopt(Port& port, Fd socket, uint64_t now);
  void close_connection(Port& port, const Status& reason);
  void watch_kick(Port& port, int kick);
  void set_state(Port& port, PortState state, std::string reason);
  void close_broken();
  int keep_time(uint64_t now);
  std::shared_ptr<Network> network_of(const std::string& name);
  Status open_port(Port& port);
  static void unlink_socket(const Port& port);
  void update_interest(Port& port);
  void wake_control() const;
  Port* find(const std::string& name);
  const PollThread& owner(const Port& port) const { return threads_[port.index % threads_.size()]->thread(); }

  SwitchOptions options_;
  std::function<void(PortEvent)> on_event_;
  StatsFile stats_;
  PortTable table_;
  std::vector<std::unique_ptr<DataThread>> threads_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Port>> ports_;  // by slot index
  Fd epoll_;
  Fd control_event_;
  std::thread control_;
  bool stopping_ = false;
};

}  // namespace usvhost
