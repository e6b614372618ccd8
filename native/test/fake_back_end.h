// SPDX-License-Identifier: Apache-2.0
// A back-end that is driven by the test, step by step and without a thread: it accepts or connects, answers, and then does
// with the rings of our driver what no honest one would.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "memory/fault_guard.h"
#include "test/support.h"
#include "vhost_user/back_end.h"
#include "vhost_user/message_table.h"
#include "vhost_user/sockets.h"
#include "vhost_user/stream.h"

namespace usvhost::test {

class FakeBackEnd final : public BackEndListener {
 public:
  /** One that connects. */
  FakeBackEnd() { REQUIRE(FaultGuard::install().ok()); }
  /** One that listens. */
  explicit FakeBackEnd(const std::string& path) : FakeBackEnd() {
    Status status = listen_on({path}, listener_);
    REQUIRE_MESSAGE(status.ok(), status.describe());
  }

  /** Takes the next connection; false when none comes. */
  bool accept_one() {
    return begin([this] { return Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)); });
  }
  /** Connects to a driver that listens; false when there is none. */
  bool connect_to_driver(const std::string& path) {
    return begin([&path] {
      Fd socket;
      return connect_to(path, socket).ok() ? std::move(socket) : Fd();
    });
  }
  /** The next request of the driver, unanswered; null when it does not come. */
  const Message* next_request() {
    bool there = eventually([this] { return stream_->receive() == MessageStream::Progress::kMessage; });
    return there ? &stream_->message() : nullptr;
  }
  /** Answers GET_QUEUE_NUM with another number from now on. */
  void tell_queue_pairs(uint64_t pairs) { queue_pairs_ = pairs; }
  /** Leaves these protocol features out from now on. */
  void withhold(uint64_t protocol_features) { withheld_ = protocol_features; }
  /** Answers one request honestly; false when the driver has gone. */
  bool serve(const Message& message) {
    Reply reply;
    Status status = back_end_->handle(message, stream_->fds(), reply);
    CHECK_MESSAGE(status.ok(), status.describe());
    auto request = static_cast<Request>(message.header.request);
    if (request == Request::kGetQueueNum && queue_pairs_) reply.payload.number = *queue_pairs_;
    if (request == Request::kGetProtocolFeatures) reply.payload.number &= ~withheld_;
    return !reply.present || stream_->send(request, kFlagReply, &reply.payload, reply.size).ok();
  }
  /** Answers everything honestly until both rings run and the last message has come. */
  bool serve_until_up() {
    for (;;) {
      const Message* message = next_request();
      if (message == nullptr) return false;
      auto request = static_cast<Request>(message->header.request);
      if (!serve(*message)) return false;
      bool last = (withheld_ & feature_bit(kProtocolStatus)) == 0
                      ? request == Request::kSetStatus
                      : request == Request::kSetVringEnable && all_enabled();
      if (last) return queue(0).active() && queue(1).active();
    }
  }
  /** The driver's requests from now on, answered honestly, until it closes the connection. */
  std::vector<Message> serve_until_closed() {
    std::vector<Message> requests;
    MessageStream::Progress progress;
    while (eventually([&] { return (progress = stream_->receive()) != MessageStream::Progress::kWouldBlock; }) &&
           progress == MessageStream::Progress::kMessage) {
      requests.push_back(stream_->message());
      if (!serve(stream_->message())) break;
    }
    CHECK(progress == MessageStream::Progress::kClosed);
    return requests;
  }
  bool answer(Request request, uint64_t number, uint32_t flags = kFlagReply) {
    return stream_->send(request, flags, &number, sizeof number).ok();
  }
  bool send_bytes(const void* bytes, size_t size) {
    return ::send(stream_->fd(), bytes, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
  }
  void hang_up() { stream_.reset(); }

  /** How many buffers the driver has offered on a queue and the test has not completed. */
  uint32_t offered(uint16_t index) {
    return queue(index).ring.visit([](auto& ring) {
      std::vector<Chain> chains(ring.size());
      ring.begin();
      return ring.look_ahead(chains.data(), ring.size());
    });
  }
  BackEndQueue& queue(uint16_t index) { return back_end_->queue(index); }
  /** The ring of a queue as it lies in the driver's memory, writable. */
  SplitRing ring(uint16_t index) {
    const VringAddress& address = queue(index).address;
    const RegionTable& memory = back_end_->memory();
    uint16_t size = queue(index).size;
    SplitRing ring;
    ring.size = size;
    ring.desc = reinterpret_cast<vring_desc*>(memory.translate_user(address.desc, SplitRing::desc_bytes(size)));
    ring.avail = reinterpret_cast<vring_avail*>(memory.translate_user(address.avail, SplitRing::avail_bytes(size)));
    ring.used = reinterpret_cast<vring_used*>(memory.translate_user(address.used, SplitRing::used_bytes(size)));
    return ring;
  }
  /** Writes one used entry and publishes it as number `index`. */
  void complete(uint16_t which, uint16_t index, uint32_t id, uint32_t length) {
    SplitRing where = ring(which);
    where.used->ring[index % where.size] = {id, length};
    store_release(&where.used->idx, static_cast<uint16_t>(index + 1));
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(queue(which).call.get(), &one, sizeof one);
  }

 private:
  template <class Obtain>
  bool begin(Obtain obtain) {
    stream_.reset();
    back_end_.reset();
    return eventually([&] {
      Fd socket = obtain();
      if (!socket) return false;
      stream_.emplace(std::move(socket), check_request_header);
      back_end_.emplace(*this);
      return true;
    });
  }
  bool all_enabled() {
    for (uint16_t i = 0; i < kMaxQueues; i++) {
      if (queue(i).active() && !queue(i).enabled) return false;
    }
    return true;
  }
  void pause() override {}
  void resume() override {}

  Fd listener_;
  std::optional<uint64_t> queue_pairs_;
  uint64_t withheld_ = 0;
  std::optional<MessageStream> stream_;
  std::optional<BackEnd> back_end_;
};

/** A dataplane whose link events can be asked for. */
class WatchedDataplane {
 public:
  WatchedDataplane(const std::string& path, EngineOptions engine, uint32_t handshake_millis = 5000,
                   uint16_t queue_size = 64, bool server = false, uint16_t queue_pairs = 1,
                   uint32_t farewell_millis = 20)
      : WatchedDataplane(one_port(path, std::move(engine), queue_size, server, queue_pairs),
                         {1, 20, handshake_millis, farewell_millis}) {}
  WatchedDataplane(DataplaneOptions options, ConnectorOptions connector) {
    options.connector = connector;
    dataplane_ = std::make_unique<Dataplane>(options, [this](LinkEvent event) {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    });
    Status status = dataplane_->start();
    REQUIRE_MESSAGE(status.ok(), status.describe());
  }
  ~WatchedDataplane() { dataplane_->stop(); }
  Dataplane* operator->() { return dataplane_.get(); }

  /** Events that start with `reason`; with "" those of a link that came up. */
  size_t events(const std::string& reason) {
    std::lock_guard lock(mutex_);
    size_t count = 0;
    for (const LinkEvent& event : events_) {
      count += (reason.empty() ? event.up : event.reason.find(reason) == 0) ? 1 : 0;
    }
    return count;
  }
  bool told(const std::string& reason, size_t times = 1) {
    if (eventually([&] { return events(reason) >= times; })) return true;
    std::lock_guard lock(mutex_);
    for (const LinkEvent& event : events_) MESSAGE("told instead: ", event.up ? "up" : event.reason);
    return false;
  }
  /** Of the link that came up last. */
  LinkEvent last_up() {
    std::lock_guard lock(mutex_);
    for (size_t i = events_.size(); i != 0; i--) {
      if (events_[i - 1].up) return events_[i - 1];
    }
    FAIL("no link came up");
    return {};
  }
  double counter(const std::string& name) { return metric(dataplane_->report().ports[0].counters, name); }

 private:
  static DataplaneOptions one_port(const std::string& path, EngineOptions engine, uint16_t queue_size, bool server,
                                   uint16_t queue_pairs) {
    DataplaneOptions options;
    options.ports.push_back({"p0", path, queue_size, server});
    options.ports.back().queue_pairs = queue_pairs;
    options.engine = std::move(engine);
    return options;
  }

  std::mutex mutex_;
  std::vector<LinkEvent> events_;
  std::unique_ptr<Dataplane> dataplane_;
};

}  // namespace usvhost::test
