// SPDX-License-Identifier: Apache-2.0
// A connection that a target uses in every run: making one costs more than a short run does. What a run leaves in it is taken out before
// the next one. And the messages that a peer of ours would never send.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"
#include "fuzz/input.h"

namespace usvhost::fuzz {

inline size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
  return count;
}

/** Runs `once` and, for one run in sixty-four since counting costs more than a run does, sees that no descriptor is left of it. */
template <class Once>
void leave_no_descriptor(Once once) {
  static uint32_t runs = 0;
  bool count = runs++ % 64 == 0;
  size_t before = count ? open_descriptors() : 0;
  once();
  if (count) expect(open_descriptors() == before);
}

class Connection {
 public:
  Connection() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    int ends[2];
    expect(event_ && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
  }
  /** The end for what is tested, which may close it. */
  Fd theirs() const { return Fd(fcntl(theirs_.get(), F_DUPFD_CLOEXEC, 0)); }
  /** For messages that carry one. */
  int event() const { return event_.get(); }

  /** `count` times `fd` goes with the bytes, 15 at most. */
  void send(const uint8_t* bytes, size_t length, int fd, size_t count) const {
    iovec piece{const_cast<uint8_t*>(bytes), length};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 15)];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (count != 0) {
      memset(control, 0, sizeof control);
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * count);
      for (size_t i = 0; i < count; i++) memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
    [[maybe_unused]] ssize_t sent = sendmsg(ours_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  /** Throws away what was sent to us, descriptors too. */
  void drain() const { drain(ours_); }
  /** As new. The copy of theirs() is closed by now. */
  void reset() const {
    drain(ours_);
    drain(theirs_);
    uint64_t signals;
    [[maybe_unused]] ssize_t got = read(event_.get(), &signals, sizeof signals);
  }

 private:
  static void drain(const Fd& from) {
    uint8_t bytes[4096];
    while (recv(from.get(), bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
  }
  Fd event_, ours_, theirs_;
};

}  // namespace usvhost::fuzz
