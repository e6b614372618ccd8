// SPDX-License-Identifier: Apache-2.0
// Events about ports that wait for a reader which is slower than whoever makes them. A peer makes an event with each message
// that changes a state, so the events of one port are bounded: where there are too many the newest takes the place of the one
// before it. The state that a port has in the end is never among those left out, and order is kept.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace usvhost {

/** `Event` has a member `port`, the name of the port that it is about. */
template <class Event>
class EventBacklog {
 public:
  static constexpr size_t kMostOfOnePort = 16;

  /** Any thread. True when one more event waits, so that the reader must be called once more. */
  bool push(Event event) {
    std::lock_guard lock(mutex_);
    size_t& count = counts_[event.port];
    if (count < kMostOfOnePort) {
      count++;
      waiting_.push_back(std::move(event));
      return true;
    }
    // It goes to the end: what other ports have told meanwhile is older than it.
    for (auto each = waiting_.rbegin(); each != waiting_.rend(); ++each) {
      if (each->port != event.port) continue;
      waiting_.erase(std::next(each).base());
      break;
    }
    waiting_.push_back(std::move(event));
    return false;
  }

  /** The oldest; nothing when none waits. */
  std::optional<Event> pop() {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) return {};
    Event event = std::move(waiting_.front());
    waiting_.pop_front();
    auto count = counts_.find(event.port);
    if (--count->second == 0) counts_.erase(count);
    return event;
  }

 private:
  std::mutex mutex_;
  std::deque<Event> waiting_;
  std::unordered_map<std::string, size_t> counts_;  // by port; none of them is zero
};

}  // namespace usvhost
