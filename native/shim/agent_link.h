// SPDX-License-Identifier: Apache-2.0
// The connection to the agent: frames in, frames out, each within its time. A broken frame is an error, never
// a guess.
#pragma once

#include "bytes.h"
#include "protocol.h"

namespace usvhost::shim {

class AgentLink {
 public:
  // Connects to the socket. Returns errno; EAGAIN when the agent's queue is full.
  int connect(const char* socketPath);

  // Both return errno: EPROTO for a frame that breaks the rules, ECONNRESET when the agent is gone,
  // ETIMEDOUT.
  int send(Kind kind, uint32_t sequence, const void* head, size_t headSize, const void* tail, size_t tailSize);
  int receive(FrameHeader* header, Bytes* body);

 private:
  Fd socket_;
};

}  // namespace usvhost::shim
