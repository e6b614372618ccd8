// SPDX-License-Identifier: Apache-2.0
// One front-end's connection to a port: its message stream, its protocol state and its deadline. Runs on the control
// thread only; never waits for its peer.
#pragma once

#include <cstdint>

#include "vhost_user/back_end.h"
#include "vhost_user/stream.h"

namespace usvhost {

class Connection {
 public:
  /** `deadline_nanos`: how long a peer may take for its first message and for the rest of any message it has begun. */
  Connection(Fd socket, BackEndListener& listener, const DeviceFacts& facts, uint64_t deadline_nanos, uint64_t now);

  /** Handles what has arrived. Fails when the connection must end; `closed` tells an orderly end from an error. */
  Status on_readable(uint64_t now, bool& closed);
  Status on_writable() { return stream_.flush(); }
  bool wants_write() const { return stream_.wants_write(); }
  /** When the peer is too slow (monotonic nanoseconds), UINT64_MAX while nothing is owed. */
  uint64_t deadline() const { return deadline_; }
  /** True when the peer has hung up although its end has not been read yet. */
  bool hung_up() const;

  BackEnd& back_end() { return back_end_; }
  int fd() const { return stream_.fd(); }

 private:
  BackEnd back_end_;
  MessageStream stream_;
  uint64_t patience_;
  uint64_t deadline_;
};

}  // namespace usvhost
