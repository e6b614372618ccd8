// SPDX-License-Identifier: Apache-2.0
// fork, feed, read, wait: one loop over the plugin's pipes and its pidfd, with one deadline.
#include "exec_step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

namespace usvhost::shim {
namespace {

constexpr size_t kMaxOutput = 1u << 20;
constexpr size_t kMaxEnvironment = 512;

int64_t nowMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Finds the first executable file of that name on CNI_PATH.
bool findPlugin(const char* name, char* out, size_t size) {
  const char* at = getenv("CNI_PATH");
  while (at != nullptr && *at != 0) {
    const char* end = strchrnul(at, ':');
    const int length = snprintf(out, size, "%.*s/%s", static_cast<int>(end - at), at, name);
    struct stat info = {};
    if (end != at && length > 0 && static_cast<size_t>(length) < size && stat(out, &info) == 0 &&
        S_ISREG(info.st_mode) && access(out, X_OK) == 0) {
      return true;
    }
    at = *end == ':' ? end + 1 : end;
  }
  return false;
}

bool sameVariable(const char* left, const char* right) {
  const size_t name = static_cast<size_t>(strchrnul(left, '=') - left) + 1;
  return strncmp(left, right, name) == 0;
}

// A variable of the environment, NAME=VALUE.
using Variable = char[kArgsSize + 32];

// Copies the environment with some variables replaced; they must outlive the result.
bool makeEnvironment(Variable* own, size_t count, char** out) {
  size_t n = 0;
  for (char** at = environ; *at != nullptr; at++) {
    bool replaced = false;
    for (size_t i = 0; i < count; i++) replaced = replaced || sameVariable(own[i], *at);
    if (replaced) continue;
    if (n + count + 1 >= kMaxEnvironment) return false;
    out[n++] = *at;
  }
  for (size_t i = 0; i < count; i++) out[n++] = own[i];
  out[n] = nullptr;
  return true;
}

// Writes the variables of the attachment that a plugin is run for; returns how many.
size_t setAttachment(const Exec& step, Variable* own) {
  size_t count = 0;
  snprintf(own[count++], sizeof *own, "CNI_COMMAND=%s", step.command);
  if (step.containerId[0] != 0) snprintf(own[count++], sizeof *own, "CNI_CONTAINERID=%s", step.containerId);
  if (step.ifname[0] != 0) snprintf(own[count++], sizeof *own, "CNI_IFNAME=%s", step.ifname);
  return count;
}

[[noreturn]] void becomePlugin(const char* file, int input, int output, char** environment, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the shim died before the line above
  setpgid(0, 0);                        // so that a deadline ends the plugin with all it started
  if (dup2(input, 0) < 0 || dup2(output, 1) < 0) _exit(127);
  char* arguments[] = {const_cast<char*>(file), nullptr};
  execve(file, arguments, environment);
  _exit(127);
}

// Moves bytes until the plugin has ended. Returns errno.
int converse(int input, Fd* inputOwner, int output, int pidfd, const uint8_t* bytes, size_t size, int64_t deadline,
             Bytes* out) {
  size_t sent = 0;
  for (bool ended = false;;) {
    if (inputOwner->valid() && sent == size) inputOwner->reset();
    pollfd waits[] = {{.fd = output, .events = POLLIN, .revents = 0},
                      {.fd = inputOwner->valid() ? input : -1, .events = POLLOUT, .revents = 0},
                      {.fd = ended ? -1 : pidfd, .events = POLLIN, .revents = 0}};
    const int64_t left = deadline - nowMs();
    if (left <= 0) return ETIMEDOUT;
    const int ready = poll(waits, 3, ended ? 0 : static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return errno;
    if (ready < 0) continue;
    if (waits[1].revents != 0) {
      const ssize_t n = write(input, bytes + sent, size - sent);
      if (n > 0) sent += static_cast<size_t>(n);
      // EPIPE: a plugin may answer without reading; that is its business.
      if (n < 0 && errno != EAGAIN && errno != EINTR) inputOwner->reset();
    }
    if (waits[0].revents != 0) {
      uint8_t* at = out->extend(65536);
      if (at == nullptr) return ENOMEM;
      const ssize_t n = read(output, at, 65536);
      out->shrink(out->size() - 65536 + (n > 0 ? static_cast<size_t>(n) : 0));
      if (out->size() > kMaxOutput) return EFBIG;
      if (n == 0 && ended) return 0;
      // End of file before the end of the process: only the process is left to wait for.
      if (n == 0) output = -1;
    } else if (ended) {
      return 0;  // what a grandchild may still write later is not part of the answer
    }
    if (waits[2].revents != 0) {
      ended = true;
      if (output < 0) return 0;
    }
  }
}

int run(const Exec& step, Variable* own, size_t count, const uint8_t* input, size_t size, int32_t* exitStatus,
        Bytes* output) {
  if (step.name[0] == 0 || step.name[0] == '.' || strchr(step.name, '/') != nullptr) return EINVAL;
  char file[4096];
  if (!findPlugin(step.name, file, sizeof file)) return ENOENT;
  char* environment[kMaxEnvironment];
  if (!makeEnvironment(own, count, environment)) return E2BIG;

  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return errno;
  Fd inRead(in[0]);
  Fd inWrite(in[1]);
  if (pipe2(out, O_CLOEXEC) != 0) return errno;
  Fd outRead(out[0]);
  Fd outWrite(out[1]);
  if (fcntl(inWrite.get(), F_SETFL, O_NONBLOCK) != 0 || fcntl(outRead.get(), F_SETFL, O_NONBLOCK) != 0) return errno;

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    signal(SIGPIPE, SIG_DFL);
    becomePlugin(file, inRead.get(), outWrite.get(), environment, parent);
  }
  setpgid(child, child);  // whoever comes first; after the child's execve this one fails, and need not work
  inRead.reset();
  outWrite.reset();
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const int64_t deadline = nowMs() + step.timeoutMs;
  const int error = pidfd.valid()
                        ? converse(inWrite.get(), &inWrite, outRead.get(), pidfd.get(), input, size, deadline, output)
                        : errno;
  if (error != 0) kill(-child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  *exitStatus = WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
  return error;
}

}  // namespace

int runPlugin(const Exec& step, const uint8_t* input, size_t size, int32_t* exitStatus, Bytes* output) {
  Variable own[3];
  return run(step, own, setAttachment(step, own), input, size, exitStatus, output);
}

int runPluginFor(const ExecFor& step, const uint8_t* input, size_t size, int32_t* exitStatus, Bytes* output) {
  Variable own[5];
  size_t count = setAttachment(step.exec, own);
  snprintf(own[count++], sizeof *own, "CNI_ARGS=%s", step.args);
  snprintf(own[count++], sizeof *own, "CNI_NETNS=");  // the shim's is another pod's, and the attachment's is gone
  return run(step.exec, own, count, input, size, exitStatus, output);
}

}  // namespace usvhost::shim
