// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace usvhost {

namespace {
constexpr size_t kMaxOutgoing = 4096;
}

MessageStream::Progress MessageStream::fail(Status status) {
  status_ = std::move(status);
  fds_.clear();
  return Progress::kFailed;
}

/** Reads until `wanted` bytes of the message are there; kMessage means that they are. */
MessageStream::Progress MessageStream::fill(size_t wanted) {
  while (filled_ < wanted) {
    // Header and payload are read apart and never beyond the message, so that descriptors stay with their message.
    constexpr size_t kHeader = sizeof(MessageHeader);
    uint8_t* into = filled_ < kHeader ? reinterpret_cast<uint8_t*>(&message_.header) + filled_
                                      : reinterpret_cast<uint8_t*>(&message_.payload) + (filled_ - kHeader);
    iovec piece{into, wanted - filled_};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t got = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Progress::kWouldBlock;
      if (errno == ECONNRESET && filled_ == 0) return Progress::kClosed;
      return fail(system_failure("USV_IO", "recvmsg on a vhost-user socket"));
    }
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
        fds_.emplace_back(fd);
      }
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0 || fds_.size() > kMaxFds) {
      return fail(failure("USV_MESSAGE", "expected at most %zu descriptors in a message, got more", kMaxFds));
    }
    if (got == 0) {
      if (filled_ == 0) return Progress::kClosed;
      return fail(failure("USV_MESSAGE", "expected %zu bytes of a message, got the end after %zu", wanted, filled_));
    }
    filled_ += static_cast<size_t>(got);
  }
  return Progress::kMessage;
}

MessageStream::Progress MessageStream::receive() {
  if (delivered_) {
    delivered_ = false;
    header_checked_ = false;
    filled_ = 0;
    fds_.clear();
  }
  if (!header_checked_) {
    if (Progress progress = fill(sizeof(MessageHeader)); progress != Progress::kMessage) return progress;
    if (Status status = check_(message_.header); !status.ok()) return fail(std::move(status));
    if (message_.header.size > kMaxPayload) {
      return fail(
          failure("USV_MESSAGE", "expected at most %zu payload bytes, got %u", kMaxPayload, message_.header.size));
    }
    header_checked_ = true;
    message_.payload = {};
  }
  Progress progress = fill(sizeof(MessageHeader) + message_.header.size);
  if (progress == Progress::kMessage) {
    filled_ = 0;
    delivered_ = true;
  }
  return progress;
}

Status MessageStream::send(Request request, uint32_t flags, const void* payload, uint32_t size, const int* fds,
                           size_t fd_count) {
  MessageHeader header{static_cast<uint32_t>(request), flags | kFlagVersion, size};
  uint8_t bytes[sizeof header + kMaxPayload];
  memcpy(bytes, &header, sizeof header);
  if (size != 0) memcpy(bytes + sizeof header, payload, size);
  size_t total = sizeof header + size;
  size_t sent = 0;
  if (outgoing_.empty()) {
    iovec piece{bytes, total};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (fd_count != 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
      memcpy(CMSG_DATA(part), fds, sizeof(int) * fd_count);
    }
    ssize_t written;
    do {
      written = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (written < 0 && errno == EINTR);
    if (written < 0 && errno != EAGAIN) return system_failure("USV_IO", "sendmsg on a vhost-user socket");
    sent = written < 0 ? 0 : static_cast<size_t>(written);
  }
  if (sent == total) return {};
  if (fd_count != 0 && sent == 0) {
    return failure("USV_MESSAGE", "expected a peer that reads its messages, got a full socket before descriptors");
  }
  if (outgoing_.size() + total - sent > kMaxOutgoing) {
    return failure("USV_MESSAGE", "expected a peer that reads its answers, got %zu bytes unread", outgoing_.size());
  }
  outgoing_.insert(outgoing_.end(), bytes + sent, bytes + total);
  return {};
}

Status MessageStream::flush() {
  while (!outgoing_.empty()) {
    ssize_t written = ::send(socket_.get(), outgoing_.data(), outgoing_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {};
      return system_failure("USV_IO", "send on a vhost-user socket");
    }
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + written);
  }
  return {};
}

}  // namespace usvhost
