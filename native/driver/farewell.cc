// SPDX-License-Identifier: Apache-2.0
#include "driver/farewell.h"

#include <poll.h>

#include "base/cpu.h"

namespace usvhost {

namespace {

constexpr uint64_t kMilli = 1'000'000;

/** Sends what can be sent; false when nothing is left to be said or the back-end does not read. */
bool speak(Leaving& link) {
  MessageStream& stream = link.stream;
  FrontEnd& front_end = link.front_end;
  OutgoingMessage message;
  while (front_end.next(message)) {
    Status sent = stream.send(message.request, message.flags, &message.payload, message.size);
    if (!sent.ok()) return false;
  }
  return !front_end.left() || stream.wants_write();
}

/** Takes the answers that are there; false when there will be no other. */
bool listen(Leaving& link) {
  MessageStream& stream = link.stream;
  FrontEnd& front_end = link.front_end;
  for (;;) {
    switch (stream.receive()) {
      case MessageStream::Progress::kWouldBlock: return true;
      case MessageStream::Progress::kClosed:
      case MessageStream::Progress::kFailed: return false;
      case MessageStream::Progress::kMessage: break;
    }
    // One answer at a time, so that the next request is known before the next header is judged.
    if (!front_end.reply(stream.message()).ok() || !speak(link)) return false;
  }
}

}  // namespace

void take_leave(std::vector<Leaving> links, uint32_t millis) {
  std::erase_if(links, [](Leaving& link) { return !speak(link); });
  uint64_t end = monotonic_nanos() + millis * kMilli;
  for (uint64_t now = monotonic_nanos(); !links.empty() && now < end; now = monotonic_nanos()) {
    std::vector<pollfd> fds;
    for (const Leaving& link : links) {
      const MessageStream& stream = link.stream;
      fds.push_back({stream.fd(), static_cast<short>(stream.wants_write() ? POLLIN | POLLOUT : POLLIN), 0});
    }
    poll(fds.data(), fds.size(), static_cast<int>((end - now) / kMilli) + 1);
    size_t i = 0;
    std::erase_if(links, [&](Leaving& link) {
      short events = fds[i++].revents;
      MessageStream& stream = link.stream;
      if ((events & POLLOUT) != 0 && !stream.flush().ok()) return true;
      if (link.front_end.get().left() && !stream.wants_write()) return true;
      return (events & ~POLLOUT) != 0 && !listen(link);
    });
  }
}

}  // namespace usvhost
