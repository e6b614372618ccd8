// SPDX-License-Identifier: Apache-2.0
// The CNI plugin binary `usvhost`: hands without a head. It carries the CNI call to the node's agent, does
// the agent's steps one after the other, and prints what the agent says. It decides nothing and keeps
// nothing, but a DEL that finds no agent (tombstone.h). For the agent it also allocates memory slices (allocate.h), for
// probes it looks at a socket (listening.h) or waits for a dataplane's links (ready.h).
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent_link.h"
#include "allocate.h"
#include "cni_output.h"
#include "listening.h"
#include "perform.h"
#include "ready.h"
#include "tombstone.h"

namespace usvhost::shim {
namespace {

constexpr const char* kVariables[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
                                      "CNI_IFNAME",  "CNI_ARGS",        "CNI_PATH"};
static_assert(sizeof kVariables / sizeof *kVariables == kStdin);

constexpr char kUsage[] =
    "usvhost is a CNI plugin: a container runtime starts it with CNI_COMMAND (ADD, DEL, CHECK, GC, STATUS or "
    "VERSION) in the\n"
    "environment and a network configuration of type \"usvhost\" on standard input. It passes the call to "
    "the agent of this\n"
    "node on <root>/run/usvhost/agent.sock, where <root> is the variable USVHOST_ROOT or \"/\". To attach a "
    "network by hand\n"
    "use a CNI runtime such as cnitool.\n";

// Reads standard input to its end. Returns errno, EFBIG over the limit.
int readInput(Bytes* out) {
  for (;;) {
    uint8_t* at = out->extend(65536);
    if (at == nullptr) return ENOMEM;
    const ssize_t n = read(STDIN_FILENO, at, 65536);
    out->shrink(out->size() - 65536 + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    if (out->size() > kMaxStdin) return EFBIG;
  }
}

// Appends the variables' values and notes their lengths; false when one is too long (its name in *which).
bool collectVariables(Request* request, Bytes* values, const char** which) {
  for (uint32_t field = 0; field < kStdin; field++) {
    const char* value = getenv(kVariables[field]);
    if (value == nullptr) continue;
    const size_t length = strlen(value);
    *which = kVariables[field];
    if (length > kMaxVariable || !values->append(value, length)) return false;
    request->present |= 1u << field;
    request->lengths[field] = static_cast<uint32_t>(length);
  }
  return true;
}

// `unwritten`: why a DEL could not be remembered either, or 0.
int failUnreachable(const char* version, const char* socketPath, int error, int unwritten) {
  char message[512];
  const int used = snprintf(message, sizeof message, "USV_AGENT_UNREACHABLE: no usvhost agent answers on %s: %s",
                            socketPath, strerror(error));
  if (unwritten != 0) {
    snprintf(message + used, sizeof message - static_cast<size_t>(used), "; nor can the DEL be written down for it: %s",
             strerror(unwritten));
  }
  // What STATUS asks is whether an ADD would work; what is connected stays so without an agent.
  const bool isStatus = strcmp(getenv("CNI_COMMAND"), "STATUS") == 0;
  printError(version, isStatus ? kCodeNotAvailable : kCodeTryAgain, message,
             "Start `usvhost agent` on this node with the same root; the runtime tries again.");
  return 1;
}

int failInput(const char* version, int code, const char* name, const char* message) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s", name, message);
  printError(version, code, text, "Check the network configuration and the runtime that calls the plugin.");
  return 1;
}

// Steps until Finish. Returns the exit code of the call, or -errno when the agent was lost.
int serve(AgentLink& agent, const Hands& hands) {
  Bytes body;
  Bytes data;
  for (;;) {
    FrameHeader header;
    if (const int error = agent.receive(&header, &body); error != 0) return -error;
    const auto kind = static_cast<Kind>(header.kind);
    if (kind == Kind::kFinish) {
      Finish finish;
      if (body.size() < sizeof finish) return -EPROTO;
      memcpy(&finish, body.data(), sizeof finish);
      const int error = writeOutput(body.data() + sizeof finish, body.size() - sizeof finish);
      return error == 0 ? static_cast<int>(finish.exitCode & 0xff) : 1;
    }
    Report report = {};
    data.clear();
    if (!perform(hands, kind, body, &report, &data)) return -EPROTO;
    const int error = agent.send(Kind::kReport, header.sequence, &report, sizeof report, data.data(), data.size());
    if (error != 0) return -error;
  }
}

bool isDelOfAttachment(const char* command) {
  return strcmp(command, "DEL") == 0 && getenv("CNI_CONTAINERID") != nullptr && getenv("CNI_IFNAME") != nullptr;
}

int run() {
  const char* command = getenv("CNI_COMMAND");
  if (command == nullptr || command[0] == 0) {
    (void)!write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
    return 2;
  }
  Bytes input;
  const int inputError = readInput(&input);
  char version[kVersionSize];
  scanVersion(input.data(), input.size(), version);
  if (inputError == EFBIG) return failInput(version, kCodeIo, "USV_STDIN_JSON", "standard input is over 1 MiB");
  if (inputError != 0) return failInput(version, kCodeIo, "USV_IO", strerror(inputError));
  if (strcmp(command, "VERSION") == 0) {
    printVersions(version);
    return 0;
  }

  Request request = {};
  Bytes values;
  const char* which = nullptr;
  if (!collectVariables(&request, &values, &which)) {
    char message[96];
    snprintf(message, sizeof message, "%s is over %zu bytes", which, kMaxVariable);
    return failInput(version, kCodeEnvironment, "USV_CNI_ENV", message);
  }
  request.lengths[kStdin] = static_cast<uint32_t>(input.size());
  request.present |= 1u << kStdin;
  if (!values.append(input.data(), input.size())) return failInput(version, kCodeIo, "USV_IO", strerror(ENOMEM));

  const char* root = getenv("USVHOST_ROOT");
  HostMounts mounts;
  // A root of its own is a node of its own, in whatever namespace it was started.
  if (root == nullptr || root[0] == 0 || strcmp(root, "/") == 0) {
    mounts.find();
    root = mounts.root();
  }
  char socketPath[256];
  const char* join = root[strlen(root) - 1] == '/' ? "" : "/";
  if (snprintf(socketPath, sizeof socketPath, "%s%srun/usvhost/agent.sock", root, join) >= (int)sizeof socketPath) {
    return failInput(version, kCodeEnvironment, "USV_CNI_ENV", "USVHOST_ROOT is too long for a socket path");
  }
  AgentLink agent;
  ConfinedDir runDir;
  Links links(getenv("CNI_NETNS"));
  int error = agent.connect(socketPath);
  const int opened = runDir.open(root);  // also for a DEL without an agent
  if (error == 0) error = opened;
  if (error == 0) error = agent.send(Kind::kRequest, 0, &request, sizeof request, values.data(), values.size());
  if (error == 0) {
    const int code = serve(agent, Hands{.root = root, .mounts = mounts, .run = runDir, .links = links});
    if (code >= 0) return code;
    error = -code;
  }
  if (!isDelOfAttachment(command)) return failUnreachable(version, socketPath, error, 0);
  // A DEL that no agent did is remembered for the next one, and succeeds.
  const int unwritten = writeTombstone(root, request, values);
  if (unwritten != 0) return failUnreachable(version, socketPath, error, unwritten);
  // Behind another plugin the variable is that one's interface.
  char ifname[kIfnameSize];
  const bool named = scanString(input.data(), input.size(), "ifName", ifname, sizeof ifname);
  deleteAlone(mounts, runDir, links, getenv("CNI_CONTAINERID"), named ? ifname : getenv("CNI_IFNAME"));
  return 0;
}

}  // namespace
}  // namespace usvhost::shim

int main(int argc, char** argv) {
  // A runtime gives no arguments.
  if (argc > 1 && strcmp(argv[1], "allocate") == 0) return usvhost::shim::allocate(argc - 2, argv + 2);
  if (argc > 1 && strcmp(argv[1], "listening") == 0) return usvhost::shim::listening(argc - 2, argv + 2);
  if (argc > 1 && strcmp(argv[1], "ready") == 0) return usvhost::shim::ready(argc - 2, argv + 2);
  signal(SIGPIPE, SIG_IGN);  // a plugin or a reader that went away is an errno of ours, not our end
  return usvhost::shim::run();
}
