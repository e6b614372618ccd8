// SPDX-License-Identifier: Apache-2.0
// One connection to the back-end under attack. It knows how a vhost-user message is framed (QEMU's
// docs/interop/vhost-user.rst, "Header") and one request, by which it asks whether anybody is still there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hostile {

using Bytes = std::vector<uint8_t>;

class Peer {
 public:
  /** Ends the player when nobody takes the connection. */
  explicit Peer(const std::string& path);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /**
   * All bytes, with the descriptors attached to the first of them. That the other side has hung up is no failure here:
   * whether it should have is what later steps ask.
   */
  void send(const Bytes& bytes, const std::vector<int>& fds);
  /** The payload of the next answer as a number of up to eight bytes; nothing when the other side has hung up. */
  std::optional<uint64_t> reply();
  /** Whether a request is answered. */
  bool alive();
  /** Drops what is still sent to us; whether the end comes in time. */
  bool closed();
  /** Without waiting or reading. */
  bool hung_up() const;
  /** Waits so long, or until the other side hangs up. */
  void linger(int millis) const;
  /** No more is read or written by us, while the connection stays. */
  void half_close() const;

 private:
  bool read_fully(void* to, size_t size);

  int socket_;
};

}  // namespace hostile
