// SPDX-License-Identifier: Apache-2.0
#include "driver/connector.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/cpu.h"
#include "driver/farewell.h"
#include "driver/port_features.h"
#include "vhost_user/message_table.h"
#include "vhost_user/sockets.h"

namespace usvhost {

namespace {
constexpr uint64_t kMilli = 1'000'000;
// How often a link that is up is asked whether the back-end broke a ring; the check is one load.
constexpr uint64_t kBrokenCheckMillis = 100;
// Whoever gets to the directory may connect: in a pod that is the pod itself and the switch.
constexpr uint32_t kServerSocketMode = 0666;
}  // namespace

Connector::Connector(std::vector<VirtioPort*> ports, const Segment& segment, ConnectorOptions options,
                     std::function<void(LinkEvent)> on_event)
    : segment_(segment), options_(options), on_event_(std::move(on_event)) {
  for (VirtioPort* port : ports)
    sessions_.push_back({port, {}, {}, {}, 0, options_.backoff_min_millis, false, false, 0, {}});
}

Status Connector::start() {
  wake_event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_event_) return system_failure("USV_IO", "eventfd");
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "usvhost-connect");
    run();
  });
  return {};
}

void Connector::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_relaxed);
  wake();
  thread_.join();
}

void Connector::wake() const {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(wake_event_.get(), &one, sizeof one);
}

void Connector::run() {
  for (;;) {
    uint64_t now = monotonic_nanos();
    for (Session& session : sessions_) {
      if (!session.stream && now >= session.deadline) attempt(session, now);
    }
    std::vector<pollfd> fds{{wake_event_.get(), POLLIN, 0}};
    for (const Session& session : sessions_) {
      int idle = awaits_back_end(session, now) ? session.listener.get() : -1;  // poll() skips negative descriptors
      int fd = session.stream ? session.stream->fd() : idle;
      short events = session.stream && session.stream->wants_write() ? POLLIN | POLLOUT : POLLIN;
      fds.push_back({fd, events, 0});
    }
    // The same time as above: a wait that ends in between must not find a listener that nobody watches.
    poll(fds.data(), fds.size(), next_timeout(now));
    uint64_t count;
    [[maybe_unused]] ssize_t got = ::read(wake_event_.get(), &count, sizeof count);
    if (stopping_.load(std::memory_order_relaxed)) return leave();
    now = monotonic_nanos();
    for (size_t i = 0; i < sessions_.size(); i++) {
      Session& session = sessions_[i];
      if (!session.stream) continue;
      if ((fds[i + 1].revents & POLLOUT) != 0) {
        if (Status sent = session.stream->flush(); !sent.ok()) {
          close(session, sent, now);
          continue;
        }
      }
      if (fds[i + 1].revents != 0) on_readable(session, now);
      if (!session.stream) continue;
      if (Status adapted = adapt(session); !adapted.ok()) {
        close(session, adapted, now);
        continue;
      }
      if (!session.up && now >= session.deadline) {
        close(session,
              failure("USV_HANDSHAKE", "expected an answer within %u ms, got silence", options_.handshake_millis), now);
      } else if (session.up && session.port->broken()) {
        close(session, failure("USV_RING", "expected used entries that are outstanding, got others from the back-end"),
              now);
      }
    }
  }
}

/** A back-end that broke a ring, or that has not come through the handshake, is told nothing but the end of the connection. */
void Connector::leave() {
  std::vector<Leaving> links;
  for (Session& session : sessions_) {
    // First of all, or a back-end whose connection has ended would find another one here.
    if (session.listener) unlink(session.port->options().path.c_str());
    session.listener.reset();
    if (!session.up || session.port->broken()) continue;
    session.port->set_up(0);  // nothing is sent any more; what comes until the back-end has stopped is still received
    session.front_end->leave();
    links.push_back({*session.stream, *session.front_end});
  }
  take_leave(std::move(links), options_.farewell_millis);
  for (Session& session : sessions_) {
    session.port->set_down();
    session.stream.reset();
  }
}

int Connector::next_timeout(uint64_t now) {
  uint64_t next = UINT64_MAX;
  for (const Session& session : sessions_) {
    if (awaits_back_end(session, now)) continue;
    next = std::min(next, session.up ? now + kBrokenCheckMillis * kMilli : session.deadline);
  }
  if (next == UINT64_MAX) return -1;
  return next <= now ? 0 : static_cast<int>((next - now) / kMilli) + 1;
}

FrontEndConfig Connector::front_end_config(const VirtioPort& port) const {
  FrontEndConfig config;
  uint64_t base = guest_address(segment_.data());
  config.region = {base, segment_.size(), base, 0};
  config.memory_fd = segment_.fd();
  config.features = wanted_features(port);
  config.queue_pairs = port.pairs();
  config.largest_payload = kPayloadCapacity - kFrameOverhead;
  return config;
}

/** True for a server port whose next event is a connection: there is nothing to do until then. */
bool Connector::awaits_back_end(const Session& session, uint64_t now) {
  return session.listener && !session.stream && now >= session.deadline;
}

/** The next back-end's connection, none while nobody connects. More than one wait in the backlog for their turn. */
Status Connector::take_connection(Session& session, Fd& out) {
  if (!session.listener) {
    ListenOptions options{session.port->options().path, kServerSocketMode};
    if (Status status = listen_on(options, session.listener); !status.ok()) return status;
  }
  out.reset(accept4(session.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (out || errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return {};
  return system_failure("USV_IO", "accept at " + session.port->options().path);
}

void Connector::attempt(Session& session, uint64_t now) {
  const VirtioPortOptions& port = session.port->options();
  Fd socket;
  Status found = port.server ? take_connection(session, socket) : connect_to(port.path, socket);
  if (!found.ok()) close(session, found, now);
  if (!socket) return;
  session.ringed = false;
  session.front_end.emplace(front_end_config(*session.port));
  session.deadline = now + options_.handshake_millis * kMilli;
  FrontEnd* front_end = &*session.front_end;
  session.stream.emplace(std::move(socket), [front_end](const MessageHeader& header) {
    return check_reply_header(header, front_end->awaited());
  });
  if (Status status = proceed(session); !status.ok()) close(session, status, now);
}

/** The reason of an orderly end; a back-end that holds a connection already closes the next one at once. */
Status Connector::ended(const Session& session) const {
  if (session.up) return failure("USV_SWITCH_UNREACHABLE", "the back-end closed the connection");
  if (session.port->options().server) {
    return failure("USV_SWITCH_UNREACHABLE", "expected a handshake, got the end of the back-end's connection");
  }
  return failure("USV_PORT_BUSY", "expected a handshake, got the end: is the port in use by another driver?");
}

/** Rings depend on what was agreed on, so they are made once that is known and before the back-end hears of them. */
Status Connector::make_rings(Session& session) {
  uint64_t features = session.front_end->features();
  if (Status status = check_features(session.port->options(), features); !status.ok()) return status;
  session.port->reset_rings({features, session.front_end->mtu(), session.front_end->mac()});
  for (uint16_t i = 0; i < 2 * session.front_end->queue_pairs(); i++)
    session.front_end->set_queue(i, session.port->front_end_queue(i));
  session.ringed = true;
  return {};
}

/** Sends all that can be sent now; the link is up when nothing is left to do. */
Status Connector::proceed(Session& session) {
  for (;;) {
    if (!session.ringed && session.front_end->agreed()) {
      if (Status status = make_rings(session); !status.ok()) return status;
    }
    OutgoingMessage message;
    if (!session.front_end->next(message)) break;
    Status sent = session.stream->send(message.request, message.flags, &message.payload, message.size, message.fds,
                                       message.fd_count);
    // Whether the end is read or run into first is chance; it has one name.
    if (!sent.ok()) return strcmp(sent.code, "USV_IO") == 0 ? ended(session) : sent;
  }
  if (session.front_end->done() && !session.up) {
    session.up = true;
    session.backoff_millis = options_.backoff_min_millis;
    session.last_reason.clear();
    const FrontEnd& front_end = *session.front_end;
    session.active = front_end.queue_pairs();
    session.port->set_up(session.active);
    on_event_({session.port->options().name, true, "", front_end.features(), session.active, front_end.mtu(),
               front_end.mac()});
  }
  return {};
}

/**
 * Only receive queues are switched off and on: a transmit queue that nobody fills costs nothing, and what is in it is still
 * sent (docs/decisions/071-no-control-queue.md).
 */
Status Connector::adapt(Session& session) {
  if (!session.up) return {};
  uint16_t wanted = std::clamp<uint16_t>(session.port->wanted_active(), 1, session.front_end->queue_pairs());
  if (wanted == session.active) return {};
  bool more = wanted > session.active;
  for (uint16_t pair = std::min(wanted, session.active); pair < std::max(wanted, session.active); pair++) {
    OutgoingMessage message = vring_enable(static_cast<uint16_t>(2 * pair + kReceiveQueue), more);
    Status sent = session.stream->send(message.request, message.flags, &message.payload, message.size, nullptr, 0);
    if (!sent.ok()) return sent;
  }
  session.active = wanted;
  session.port->set_up(wanted);
  return {};
}

void Connector::on_readable(Session& session, uint64_t now) {
  for (;;) {
    switch (session.stream->receive()) {
      case MessageStream::Progress::kWouldBlock: return;
      case MessageStream::Progress::kFailed: close(session, session.stream->status(), now); return;
      case MessageStream::Progress::kClosed: close(session, ended(session), now); return;
      case MessageStream::Progress::kMessage: break;
    }
    Status status = session.front_end->reply(session.stream->message());
    if (status.ok()) status = proceed(session);
    if (!status.ok()) {
      close(session, status, now);
      return;
    }
  }
}

void Connector::close(Session& session, Status reason, uint64_t now) {
  std::string text = reason.describe();  // before the stream goes, which may own the reason
  session.port->set_down();
  session.stream.reset();
  session.front_end.reset();
  if (session.up || session.last_reason != text) on_event_({session.port->options().name, false, text, 0, 0, 0, 0});
  session.last_reason = std::move(text);
  session.up = false;
  session.deadline = now + session.backoff_millis * kMilli;
  session.backoff_millis = std::min(session.backoff_millis * 2, options_.backoff_max_millis);
}

}  // namespace usvhost
