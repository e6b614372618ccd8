// SPDX-License-Identifier: Apache-2.0
#include "switch/connection.h"

#include <sys/socket.h>

#include "vhost_user/message_table.h"

namespace usvhost {

namespace {
// A peer that floods messages gives way to the others after so many.
constexpr int kMessagesPerTurn = 64;
}  // namespace

Connection::Connection(Fd socket, BackEndListener& listener, const DeviceFacts& facts, uint64_t deadline_nanos,
                       uint64_t now)
    : back_end_(listener, facts),
      stream_(std::move(socket), check_request_header),
      patience_(deadline_nanos),
      deadline_(now + deadline_nanos) {}

Status Connection::on_readable(uint64_t now, bool& closed) {
  closed = false;
  for (int i = 0; i < kMessagesPerTurn; i++) {
    switch (stream_.receive()) {
      case MessageStream::Progress::kWouldBlock:
        if (stream_.inside_message() && deadline_ == UINT64_MAX) deadline_ = now + patience_;
        return {};
      case MessageStream::Progress::kClosed: closed = true; return {};
      case MessageStream::Progress::kFailed: return stream_.status();
      case MessageStream::Progress::kMessage: break;
    }
    deadline_ = UINT64_MAX;
    Reply reply;
    const Message& message = stream_.message();
    Status status = back_end_.handle(message, stream_.fds(), reply);
    if (reply.present) {
      Status sent = stream_.send(static_cast<Request>(message.header.request), kFlagReply, &reply.payload, reply.size);
      if (status.ok()) status = sent;
    }
    if (!status.ok()) return status;
  }
  return {};
}

bool Connection::hung_up() const {
  char byte;
  ssize_t got = recv(stream_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace usvhost
