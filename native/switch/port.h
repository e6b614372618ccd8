// SPDX-License-Identifier: Apache-2.0
// The control side's view of one port: what was asked for, its listening socket, the connection that holds it now.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "switch/connection.h"
#include "switch/network.h"
#include "switch/port_table.h"
#include "switch/redial.h"
#include "vhost_user/sockets.h"

namespace usvhost {

struct PortOptions {
  std::string name;
  ListenOptions socket;
  std::string network;            // ports of one name reach each other; "" is a name as any
  std::optional<MacAddress> mac;  // the pod's address: bound to this port, refused as source on others of its network
  uint32_t mtu = 1500;            // payload bytes of a frame; 18 more for Ethernet header and one VLAN tag
  bool connect = false;           // the pod listens at socket.path and the switch connects, else the other way round
};

enum class PortState : uint8_t { kListening, kConnecting, kHandshake, kUp };

inline const char* describe(PortState state) {
  switch (state) {
    case PortState::kListening: return "listening";
    case PortState::kConnecting: return "connecting";
    case PortState::kHandshake: return "handshake";
    case PortState::kUp: return "up";
  }
  return "unknown";
}

struct PortStatus {
  std::string name;
  std::string socket_path;
  PortState state;
  uint64_t features;
  std::string last_error;
  uint64_t connections;
  CounterBlock counters;
};

struct PortEvent {
  std::string port;
  PortState state;
  std::string reason;
};

/** Owned by the switch, touched under its mutex; data threads see `runtime` only. */
struct Port final : BackEndListener {
  Port(uint16_t slot_index, PortOptions wanted) : options(std::move(wanted)), index(slot_index) {}
  void pause() override { host->withdraw(*this); }
  void resume() override { host->publish(*this); }

  /** Who publishes and withdraws: the switch. */
  struct Host {
    virtual ~Host() = default;
    virtual void withdraw(Port& port) = 0;
    virtual void publish(Port& port) = 0;
  };

  Host* host = nullptr;
  PortOptions options;
  uint16_t index;
  /** The state without a connection. */
  PortState idle_state() const { return options.connect ? PortState::kConnecting : PortState::kListening; }
  Fd listener;
  Redial redial;  // of a port that connects
  std::optional<Connection> connection;
  std::shared_ptr<Network> network;
  PortRuntime runtime;
  CounterBlock* counters = nullptr;
  PortState state = PortState::kListening;
  std::string last_error;
  uint64_t connections = 0;
  std::vector<int> watched_kicks;
  bool published = false;
};

}  // namespace usvhost
