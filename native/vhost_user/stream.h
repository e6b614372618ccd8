// SPDX-License-Identifier: Apache-2.0
// One vhost-user connection as a stream of messages, never blocking: partial headers and payloads are kept until the
// rest arrives, unsent bytes until the peer reads, and descriptors are owned from the moment the kernel hands them over.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "vhost_user/messages.h"

namespace usvhost {

class MessageStream {
 public:
  /** Judges a header before its payload is read, so that a size is never trusted. */
  using HeaderCheck = std::function<Status(const MessageHeader&)>;
  enum class Progress : uint8_t { kMessage, kWouldBlock, kClosed, kFailed };

  MessageStream(Fd socket, HeaderCheck check) : socket_(std::move(socket)), check_(std::move(check)) {}

  /**
   * Reads towards one message. kMessage fills message() and fds(); kFailed fills status(); kClosed is an orderly end
   * between two messages (an end inside one is kFailed).
   */
  Progress receive();
  const Message& message() const { return message_; }
  std::vector<Fd>& fds() { return fds_; }
  const Status& status() const { return status_; }
  /** True while a message has begun and not ended: the deadline for slow peers applies. */
  bool inside_message() const { return filled_ != 0; }

  /**
   * Sends header and payload with `fds` attached (borrowed). What the socket does not take is kept (at most 4 KiB) and
   * sent by flush(). Fails with USV_MESSAGE when a peer does not read its answers, USV_IO when it is gone.
   */
  Status send(Request request, uint32_t flags, const void* payload, uint32_t size, const int* fds = nullptr,
              size_t fd_count = 0);
  Status flush();
  bool wants_write() const { return !outgoing_.empty(); }
  int fd() const { return socket_.get(); }

 private:
  Progress fail(Status status);
  Progress fill(size_t wanted);

  Fd socket_;
  HeaderCheck check_;
  Message message_{};
  size_t filled_ = 0;
  bool header_checked_ = false;
  bool delivered_ = false;
  std::vector<Fd> fds_;
  Status status_;
  std::vector<uint8_t> outgoing_;
};

}  // namespace usvhost
