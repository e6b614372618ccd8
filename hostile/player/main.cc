// SPDX-License-Identifier: Apache-2.0
// hostile_player NAME=SOCKET…: plays the script on standard input against vhost-user back-ends that listen at these sockets.
// Status 0: every step went as the script says; 1: one did not, and its line stands on standard error. It knows nothing of
// usvhost: the scripts do. The steps are described in docs/hostile.md.
#include <signal.h>

#include <cstring>
#include <iostream>

#include "fail.h"
#include "player.h"

int main(int count, char** arguments) {
  // A pipe without a reader is among what scripts send; writing to one is their business.
  signal(SIGPIPE, SIG_IGN);
  std::map<std::string, std::string> sockets;
  for (int i = 1; i < count; i++) {
    const char* equals = strchr(arguments[i], '=');
    hostile::current_step = "arguments";
    if (equals == nullptr) hostile::fail("expected NAME=SOCKET, got %s", arguments[i]);
    sockets[std::string(arguments[i], static_cast<size_t>(equals - arguments[i]))] = equals + 1;
  }
  hostile::Player player(std::move(sockets));
  player.play(hostile::read_script(std::cin));
  return 0;
}
