// SPDX-License-Identifier: Apache-2.0
// A lane is one queue pair of each port with buffers and an engine of its own: frames of different lanes never meet, so that
// each may be served by another thread without a lock. A lane thread serves one or several of them.
#pragma once

#include <memory>
#include <vector>

#include "engines/engine.h"

namespace usvhost {

class Lane {
 public:
  /** `queues`: pair number n of each port. */
  Lane(std::vector<PortQueue*> queues, std::unique_ptr<Engine> engine)
      : queues_(std::move(queues)), engine_(std::move(engine)) {}

  Engine& engine() { return *engine_; }
  const Engine& engine() const { return *engine_; }
  /** `thread` is the one that runs the lane from now on. */
  Status serve_by(const PollThread& thread);

  // Data thread; as PollWork.
  uint32_t poll();
  void arm();
  bool pending();
  void disarm();

 private:
  std::vector<PortQueue*> queues_;
  std::unique_ptr<Engine> engine_;
};

class LaneThread final : private PollWork {
 public:
  /** The lanes outlive the thread. */
  LaneThread(std::vector<Lane*> lanes, PollThreadOptions options) : lanes_(std::move(lanes)), thread_(options) {}

  Status start();
  void stop() { thread_.stop(); }
  void wake() const { thread_.wake(); }
  uint64_t sleeps() const { return thread_.sleeps(); }

 private:
  uint32_t poll() override;
  void arm() override;
  bool pending() override;
  void disarm() override;
  int max_sleep_millis() override;

  std::vector<Lane*> lanes_;
  PollThread thread_;
};

}  // namespace usvhost
