// SPDX-License-Identifier: Apache-2.0
// Keeps the ports of a driver connected: connects or accepts, shakes hands, notices the end, backs off and tries again, on
// one control thread for all ports. It never touches a ring; the data threads are asked to.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "driver/virtio_port.h"
#include "memory/segment.h"
#include "vhost_user/stream.h"

namespace usvhost {

struct LinkEvent {
  std::string port;
  bool up;
  std::string reason;     // "" when up, else "CODE: text"
  uint64_t features = 0;  // negotiated, when up
  uint16_t pairs = 0;     // queue pairs that were negotiated, when up
  uint16_t mtu = 0;       // the back-end's, when up; 0: not said
  uint64_t mac = 0;       // the back-end's for us, when up; 0: not asked for, or not said
};

struct ConnectorOptions {
  uint32_t backoff_min_millis = 5;
  uint32_t backoff_max_millis = 500;
  uint32_t handshake_millis = 5000;
  uint32_t farewell_millis = 250;  // of all back-ends at the end together; a pod's last second is short
};

class Connector {
 public:
  /** `on_event` runs on the connector's thread; it must only queue. An event is sent when a link changes or fails for a new reason. */
  Connector(std::vector<VirtioPort*> ports, const Segment& segment, ConnectorOptions options,
            std::function<void(LinkEvent)> on_event);
  ~Connector() { stop(); }

  Status start();
  /** Resets the devices of all links (farewell.h) and ends; a back-end that does not answer holds it for no longer than a moment. */
  void stop();
  /** Any thread: a port's wanted_active() has changed. */
  void wake() const;

 private:
  struct Session {
    VirtioPort* port;
    std::optional<MessageStream> stream;
    std::optional<FrontEnd> front_end;
    Fd listener;            // of a server port, from the first attempt on
    uint64_t deadline = 0;  // of the handshake, or of the next attempt while there is no stream
    uint32_t backoff_millis = 0;
    bool ringed = false;  // the port has rings for what was negotiated
    bool up = false;
    uint16_t active = 0;  // pairs that carry frames, when up
    std::string last_reason;
  };

  void run();
  void attempt(Session& session, uint64_t now);
  static Status take_connection(Session& session, Fd& out);
  static bool awaits_back_end(const Session& session, uint64_t now);
  void on_readable(Session& session, uint64_t now);
  Status proceed(Session& session);
  Status make_rings(Session& session);
  /** Makes as many pairs carry frames as are wanted and were negotiated. */
  static Status adapt(Session& session);
  Status ended(const Session& session) const;
  /** `reason` is a copy: it may be the status of the stream that ends here. */
  void close(Session& session, Status reason, uint64_t now);
  void leave();
  FrontEndConfig front_end_config(const VirtioPort& port) const;
  int next_timeout(uint64_t now);

  const Segment& segment_;
  ConnectorOptions options_;
  std::function<void(LinkEvent)> on_event_;
  std::vector<Session> sessions_;
  Fd wake_event_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace usvhost
