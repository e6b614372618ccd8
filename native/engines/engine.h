// SPDX-License-Identifier: Apache-2.0
// What an engine is: a piece of work on the frames of one or two ports, run by the data thread of a dataplane.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "driver/port_queue.h"

namespace usvhost {

/** Frames per call of receive and transmit. */
inline constexpr uint32_t kEngineBurst = 32;

/** One number of an engine's report; names are snake_case with the unit last (rtt_p50_us). */
struct Metric {
  std::string name;
  double value;
};

class Engine {
 public:
  virtual ~Engine() = default;
  /** Before the data thread runs. Fails with the engine's own code (USV_TAP, USV_CONFIG). */
  virtual Status open() { return {}; }
  /** Descriptors whose readability is work (a tap); the data thread wakes up for them. */
  virtual Status watch(const PollThread& /*thread*/) { return {}; }

  /** After open(): features of kSendOffloads and kReceiveOffloads that it can do. */
  virtual uint64_t offloads() const { return 0; }

  // Data thread.
  /** A port has new rings, and features() of it may have changed. */
  virtual void connected() {}
  virtual uint32_t poll() = 0;
  /** Asks for a wake-up by what watch() named, with a full fence after it; then pending() decides on sleep. */
  virtual void arm() {}
  virtual bool pending() { return false; }
  virtual void disarm() {}
  /** Whether the engine takes what the ports have received. While it does not, waiting frames keep nobody awake. */
  virtual bool receptive() { return true; }
  virtual int max_sleep_millis() { return -1; }

  // Any thread.
  /** Starts or stops the sending of engines that make traffic of their own. */
  virtual void set_running(bool /*running*/) {}
  virtual std::vector<Metric> report() const { return {}; }
};

}  // namespace usvhost
