// SPDX-License-Identifier: Apache-2.0
// The closed list of steps.
#include "perform.h"

#include <errno.h>
#include <string.h>

#include "empty_directory.h"
#include "exec_step.h"
#include "fs_steps.h"

namespace usvhost::shim {
namespace {

// Copies a record out of the body; `exact`: nothing may follow it.
template <typename T>
bool take(const Bytes& body, T* out, bool exact = true) {
  if (body.size() < sizeof(T) || (exact && body.size() != sizeof(T))) return false;
  memcpy(out, body.data(), sizeof(T));
  return true;
}

template <typename Step>
struct Tail {
  const uint8_t* bytes;
  size_t size;
  explicit Tail(const Bytes& body) : bytes(body.data() + sizeof(Step)), size(body.size() - sizeof(Step)) {}
};

bool takePath(const Bytes& body, PathStep* step) { return take(body, step) && isTerminated(step->path); }
bool isWhole(const TapDelete& step) { return isTerminated(step.ifname) && isTerminated(step.alias); }
bool isWhole(const Exec& step) {
  return isTerminated(step.name) && isTerminated(step.command) && isTerminated(step.containerId) &&
         isTerminated(step.ifname);
}

// Names there have no directories.
int openDeviceInfo(const Hands& hands, const char* name, bool make, ConfinedDir* out) {
  return strchr(name, '/') != nullptr ? EINVAL : out->openDeviceInfo(hands.root, make);
}

bool takeLink(const Bytes& body, LinkStep* step) { return take(body, step) && isTerminated(step->ifname); }

}  // namespace

bool perform(const Hands& hands, Kind kind, const Bytes& body, Report* report, Bytes* data) {
  PathStep path;
  LinkStep link;
  int& error = report->error;
  switch (kind) {
    case Kind::kMkdir: {
      Mkdir step;
      if (!take(body, &step) || !isTerminated(step.path)) return false;
      error = makeDirectory(hands.run, step);
      return true;
    }
    case Kind::kRmdir:
      if (!takePath(body, &path)) return false;
      error = removeDirectory(hands.run, hands.mounts, path);
      return true;
    case Kind::kWriteFile: {
      WriteFile step;
      if (!take(body, &step, false) || !isTerminated(step.path)) return false;
      const Tail<WriteFile> content(body);
      error = writeFile(hands.run, step, content.bytes, content.size);
      return true;
    }
    case Kind::kUnlink:
      if (!takePath(body, &path)) return false;
      error = unlinkFile(hands.run, path);
      return true;
    case Kind::kEmpty:
      if (!takePath(body, &path)) return false;
      error = emptyDirectory(hands.run, path);
      return true;
    case Kind::kBind: {
      Bind step;
      if (!take(body, &step) || !isTerminated(step.source) || !isTerminated(step.target)) return false;
      error = bindDirectory(hands.run, hands.mounts, step);
      return true;
    }
    case Kind::kUnmount:
      if (!takePath(body, &path)) return false;
      error = unmountDirectory(hands.run, hands.mounts, path);
      return true;
    case Kind::kStat: {
      if (!takePath(body, &path)) return false;
      StatInfo info;
      error = statPath(hands.run, path, &info);
      return error != 0 || data->append(&info, sizeof info);
    }
    case Kind::kSmallFs: {
      SmallFs step;
      if (!take(body, &step) || !isTerminated(step.path)) return false;
      error = mountSmallFs(hands.run, hands.mounts, step);
      return true;
    }
    case Kind::kDeviceInfoWrite: {
      WriteFile step;
      if (!take(body, &step, false) || !isTerminated(step.path)) return false;
      const Tail<WriteFile> content(body);
      ConfinedDir directory;
      error = openDeviceInfo(hands, step.path, true, &directory);
      if (error == 0) error = writeFile(directory, step, content.bytes, content.size);
      return true;
    }
    case Kind::kDeviceInfoUnlink: {
      if (!takePath(body, &path)) return false;
      ConfinedDir directory;
      error = openDeviceInfo(hands, path.path, false, &directory);
      if (error == 0) error = unlinkFile(directory, path);
      return true;
    }
    case Kind::kTapAdd: {
      TapAdd step;
      if (!take(body, &step) || !isTerminated(step.ifname) || !isTerminated(step.alias)) return false;
      error = hands.links.tapAdd(step);
      return true;
    }
    case Kind::kTapDelete: {
      TapDelete step;
      if (!take(body, &step) || !isWhole(step)) return false;
      error = hands.links.tapDelete(step);
      return true;
    }
    case Kind::kTapDeleteIn: {
      TapDeleteIn step;
      if (!take(body, &step) || !isTerminated(step.netns) || !isWhole(step.tap) || step.tap.alias[0] == 0) return false;
      error = Links(step.netns).tapDelete(step.tap);
      return true;
    }
    case Kind::kAddressAdd: {
      AddressAdd step;
      if (!take(body, &step) || !isTerminated(step.ifname)) return false;
      error = hands.links.addressAdd(step);
      return true;
    }
    case Kind::kRouteAdd: {
      RouteAdd step;
      if (!take(body, &step) || !isTerminated(step.ifname)) return false;
      error = hands.links.routeAdd(step);
      return true;
    }
    case Kind::kLinkUp:
      if (!takeLink(body, &link)) return false;
      error = hands.links.up(link);
      return true;
    case Kind::kLinkGet: {
      if (!takeLink(body, &link)) return false;
      LinkInfo info;
      error = hands.links.get(link.ifname, &info);
      return error != 0 || data->append(&info, sizeof info);
    }
    case Kind::kAddressList:
      if (!takeLink(body, &link)) return false;
      error = hands.links.addresses(link, data);
      return true;
    case Kind::kExec: {
      Exec step;
      if (!take(body, &step, false) || !isWhole(step)) return false;
      const Tail<Exec> input(body);
      error = runPlugin(step, input.bytes, input.size, &report->exitStatus, data);
      if (error != 0) data->clear();  // half an output is none, and may be over what a frame holds
      return true;
    }
    case Kind::kExecFor: {
      ExecFor step;
      if (!take(body, &step, false) || !isWhole(step.exec) || !isTerminated(step.args)) return false;
      const Tail<ExecFor> input(body);
      error = runPluginFor(step, input.bytes, input.size, &report->exitStatus, data);
      if (error != 0) data->clear();
      return true;
    }
    case Kind::kRequest:
    case Kind::kReport:
    case Kind::kFinish: break;
  }
  return false;
}

}  // namespace usvhost::shim
