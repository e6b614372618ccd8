// SPDX-License-Identifier: Apache-2.0
#include "listening.h"

#include <stdio.h>
#include <string.h>

#include "agent_link.h"

namespace usvhost::shim {

int listening(int count, char** arguments) {
  if (count != 1) {
    fputs("usage: usvhost listening SOCKET\n", stderr);
    return 2;
  }
  AgentLink link;
  const int error = link.connect(arguments[0]);
  if (error == 0) return 0;
  fprintf(stderr, "%s: %s\n", arguments[0], strerror(error));
  return 1;
}

}  // namespace usvhost::shim
