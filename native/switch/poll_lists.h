// SPDX-License-Identifier: Apache-2.0
// Which ports a data thread serves in each pass and at which it only looks. A port is busy, and visited in each pass, until it has had
// nothing for a while; then it is quiet, and all that is touched of it is one word of each of its rings, so that hundreds of
// connected ports without traffic cost next to nothing. On which list a port is decides when it is visited, never whether.
#pragma once

#include <cstdint>
#include <vector>

#include "switch/port_table.h"
#include "virtio/avail_word.h"

namespace usvhost {

class PollLists {
 public:
  /** A port that had nothing in so many passes becomes quiet: a few microseconds without traffic. */
  static constexpr uint32_t kPassesUntilQuiet = 64;
  /**
   * Quiet ports are looked at in each pass in which no busy one had a frame, and else once so many frames have moved: what four passes of two
   * busy ports move.
   */
  static constexpr uint32_t kFramesUntilLook = 256;

  /** Holds ports whose index modulo `threads` is `number`. All memory is allocated here. */
  PollLists(const PortTable& ports, uint32_t number, uint32_t threads);

  /**
   * One pass: `visit(PortRuntime&)` returns the frames that it moved. Within an epoch; what is kept of a port from one pass to the next is
   * dropped before it is touched when the port has been withdrawn since.
   */
  template <class Visit>
  uint32_t pass(Visit visit) {
    if (uint64_t generation = ports_.generation(); generation != generation_) [[unlikely]]
      rebuild(generation);
    uint32_t moved = visit_busy(0, visit);
    moved_ += moved;
    if (moved == 0 || moved_ >= kFramesUntilLook) {
      moved_ = 0;
      const size_t known = busy_.size();
      // Those that are found busy are visited at once.
      if (look()) [[unlikely]]
        moved += visit_busy(known, visit);
    }
    return moved;
  }

  size_t busy() const { return busy_.size(); }
  size_t quiet() const { return quiet_.size(); }

 private:
  struct Busy {
    PortRuntime* port;
    uint32_t empty_passes;
  };
  /** One for each transmit queue of a port. */
  struct Quiet {
    AvailWord avail;
    PortRuntime* port;
  };

  /** From the one at `first` on. */
  template <class Visit>
  uint32_t visit_busy(size_t first, Visit visit) {
    uint32_t moved = 0;
    for (size_t i = first; i < busy_.size();) {
      uint32_t count = visit(*busy_[i].port);
      moved += count;
      busy_[i].empty_passes = count != 0 ? 0 : busy_[i].empty_passes + 1;
      if (busy_[i].empty_passes < kPassesUntilQuiet) {
        i++;
      } else {
        watch(*busy_[i].port);
        busy_[i] = busy_.back();
        busy_.pop_back();
      }
    }
    return moved;
  }
  void rebuild(uint64_t generation);
  void watch(PortRuntime& port);
  bool look();

  const PortTable& ports_;
  uint32_t number_;
  uint32_t threads_;
  uint64_t generation_ = 0;
  uint32_t moved_ = 0;  // since the last look
  std::vector<Busy> busy_;
  std::vector<Quiet> quiet_;
};

}  // namespace usvhost
