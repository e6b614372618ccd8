// SPDX-License-Identifier: Apache-2.0
// One data thread of the switch: polls the transmit queues of the ports that belong to it. It never takes a lock that
// the control side holds, and reaches ports only through the port table.
#pragma once

#include <atomic>
#include <functional>

#include "base/poll_thread.h"
#include "switch/forwarder.h"
#include "switch/poll_lists.h"

namespace usvhost {

class DataThread final : public PollWork {
 public:
  /** Polls ports whose index modulo `threads` is `number`. `on_broken` wakes the control side; it must not block. */
  DataThread(PortTable& ports, uint32_t number, uint32_t threads, PollThreadOptions options,
             std::function<void()> on_broken)
      : ports_(ports),
        forwarder_(ports),
        lists_(ports, number, threads),
        number_(number),
        threads_(threads),
        on_broken_(std::move(on_broken)),
        thread_(options) {}

  Status start() { return thread_.start(*this); }
  void stop() { thread_.stop(); }
  const PollThread& thread() const { return thread_; }

  uint32_t poll() override;
  void arm() override;
  bool pending() override;
  void disarm() override;

 private:
  template <class Visit>
  void for_each_port(Visit visit) const {
    for (uint32_t index = number_, end = ports_.end(); index < end; index += threads_) {
      PortRuntime* port = ports_.get(index);
      if (port == nullptr || port->transmit_count == 0) continue;
      if (port->broken.load(std::memory_order_relaxed) != RingError::kNone) continue;
      visit(*port);
    }
  }

  template <class Visit>
  void for_each_queue(Visit visit) const {
    for_each_port([&](PortRuntime& port) {
      for (uint16_t i = 0; i < port.transmit_count; i++) visit(*port.transmit[i].ring);
    });
  }

  PortTable& ports_;
  Forwarder forwarder_;
  PollLists lists_;
  uint32_t number_;
  uint32_t threads_;
  std::function<void()> on_broken_;
  PollThread thread_;
};

}  // namespace usvhost
