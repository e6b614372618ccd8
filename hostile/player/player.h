// SPDX-License-Identifier: Apache-2.0
// Plays a script: what its files, connections and rings are called, and one function for each kind of step.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "file.h"
#include "peer.h"
#include "ring.h"
#include "script.h"
#include "threads.h"

namespace hostile {

class Player {
 public:
  /** `sockets`: the path behind each name that `connect` may use. */
  explicit Player(std::map<std::string, std::string> sockets) : sockets_(std::move(sockets)) {}

  /** Ends the process at the first step that does not go as it should. */
  void play(const std::vector<Step>& steps);

 private:
  using Words = std::vector<std::string>;
  struct Command {
    size_t least;  // words, its own name included
    size_t most;
    void (Player::*run)(const Words& words);
  };
  static const std::map<std::string, Command>& commands();

  void make_file(const Words& words);
  void make_ring(const Words& words);
  void connect_peer(const Words& words);
  void hang_up(const Words& words);
  void half_close(const Words& words);
  void send(const Words& words);
  void print_reply(const Words& words);
  void await_reply(const Words& words);
  void await_closed(const Words& words);
  void check_alive(const Words& words);
  void settle(const Words& words);
  void linger(const Words& words);
  void store_word(const Words& words);
  void store_bytes(const Words& words);
  void compare(const Words& words);
  void resize(const Words& words);
  void punch(const Words& words);
  void offer(const Words& words);
  void await_taken(const Words& words);
  void traffic(const Words& words);
  void signal_event(const Words& words);
  void drain_event(const Words& words);
  void flip(const Words& words);
  void storm(const Words& words);
  void calm(const Words& words);

  File& file(const std::string& name);
  Peer& peer(const std::string& name);
  Ring& ring(const std::string& name);

  std::map<std::string, std::string> sockets_;
  std::map<std::string, std::unique_ptr<File>> files_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::map<std::string, std::unique_ptr<Ring>> rings_;
  Threads threads_;  // last: they end before what they write to goes
};

}  // namespace hostile
