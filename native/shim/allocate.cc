// SPDX-License-Identifier: Apache-2.0
// set_mempolicy(2) and fallocate(2), of which tmpfs and hugetlbfs take the one from the thread that does the other.
#include "allocate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bytes.h"

namespace usvhost::shim {
namespace {

constexpr unsigned long kNodes = 1024;  // the most that a kernel can be built for
constexpr unsigned long kWordBits = 8 * sizeof(unsigned long);

int fail(const char* what, int error) {
  fprintf(stderr, "%s: %s\n", what, strerror(error));
  return 1;
}

// A number and nothing else; false for anything over `limit`.
bool readNumber(const char* text, unsigned long limit, unsigned long* out) {
  char* end = nullptr;
  errno = 0;
  *out = strtoul(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *out <= limit;
}

// From here on memory is taken from this node only. EINVAL: there is no such node, or it has no memory.
int bindTo(unsigned long node) {
  unsigned long mask[kNodes / kWordBits] = {};
  mask[node / kWordBits] = 1UL << (node % kWordBits);
  return syscall(SYS_set_mempolicy, MPOL_BIND, mask, kNodes + 1) == 0 ? 0 : errno;
}

// Should the memory end in spite of what the agent has counted, then we are the one to go: nothing of the node is lost.
void offerToTheOomKiller() {
  const Fd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file.valid()) (void)!write(file.get(), "1000", 4);
}

}  // namespace

int allocate(int count, char** arguments) {
  unsigned long node = 0;
  unsigned long bytes = 0;
  const bool bound = count == 3 && strcmp(arguments[0], "-") != 0;
  if (count != 3 || (bound && !readNumber(arguments[0], kNodes - 1, &node)) ||
      !readNumber(arguments[1], 1UL << 62, &bytes)) {
    fputs("usage: usvhost allocate NODE|- BYTES FILE\n", stderr);
    return 2;
  }
  offerToTheOomKiller();
  const Fd file(open(arguments[2], O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return fail("open", errno);
  if (bound) {
    const int error = bindTo(node);
    if (error == EINVAL) {
      fprintf(stderr, "there is no NUMA node %lu on this machine, or it has no memory\n", node);
      return 1;
    }
    if (error != 0) return fail("set_mempolicy", error);
  }
  while (fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return fail("fallocate", errno);
  }
  return 0;
}

}  // namespace usvhost::shim
