// SPDX-License-Identifier: Apache-2.0
// The wire between the CNI shim and the agent: one unix stream connection for one CNI call. The shim sends a
// Request, the agent sends steps one at a time, the shim answers each with a Report, and Finish ends the
// call. Every record has a fixed layout (little-endian, no padding that matters) and the list of steps is
// closed: an unknown kind ends the connection. cni/shim-protocol.ts is the other half and must change
// together with this file; kMagic changes with any layout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace usvhost::shim {

inline constexpr uint32_t kMagic = 0x32565355;            // "USV2"
inline constexpr uint32_t kMaxBody = (1u << 20) + 65536;  // standard input (1 MiB) and every variable
inline constexpr size_t kMaxStdin = 1u << 20;
inline constexpr size_t kMaxVariable = 8192;  // one CNI_* value
inline constexpr size_t kPathSize = 192;      // with its NUL; relative to <root>/run/usvhost
inline constexpr size_t kIfnameSize = 16;
inline constexpr size_t kAliasSize = 64;
inline constexpr size_t kPluginNameSize = 64;
inline constexpr size_t kCommandSize = 16;
inline constexpr size_t kContainerIdSize = 260;
inline constexpr size_t kArgsSize = 1024;
inline constexpr size_t kNetnsSize = 256;

struct FrameHeader {
  uint32_t magic;
  uint16_t kind;
  uint16_t reserved;  // zero
  uint32_t sequence;  // a Report repeats its step's
  uint32_t length;    // of the body that follows
};
static_assert(sizeof(FrameHeader) == 16);

enum class Kind : uint16_t {
  // shim to agent
  kRequest = 1,
  kReport = 2,
  // agent to shim
  kMkdir = 16,
  kRmdir = 17,
  kWriteFile = 18,
  kUnlink = 19,
  kBind = 20,
  kUnmount = 21,
  kStat = 22,
  kSmallFs = 23,
  kDeviceInfoWrite = 24,
  kDeviceInfoUnlink = 25,
  kEmpty = 26,
  kTapAdd = 32,
  kTapDelete = 33,
  kAddressAdd = 34,
  kRouteAdd = 35,
  kLinkUp = 36,
  kLinkGet = 37,
  kAddressList = 38,
  kTapDeleteIn = 39,
  kExec = 48,
  kExecFor = 49,
  kFinish = 63,
};

// The strings of a request, in this order in `lengths` and in the bytes that follow the struct.
enum RequestField : uint32_t {
  kCommand,
  kContainerId,
  kNetns,
  kIfname,
  kArgs,
  kPath,
  kStdin,
  kRequestFields,
};

struct Request {
  uint32_t present;  // bit n: the caller had set the variable of field n (an empty value is not an absent one)
  uint32_t lengths[kRequestFields];
};
static_assert(sizeof(Request) == 32);

struct Report {
  int32_t error;       // errno, 0 when the step is done
  int32_t exitStatus;  // Exec: 0..255, or 256 + signal
};
static_assert(sizeof(Report) == 8);

struct PathStep {  // kRmdir, kUnlink, kUnmount, kStat; kDeviceInfoUnlink: a name
  char path[kPathSize];
};

struct Mkdir {
  char path[kPathSize];
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
};
static_assert(sizeof(Mkdir) == kPathSize + 12);

// The content follows; it appears under `path` by rename, whole or not at all. kDeviceInfoWrite: `path` is a name.
struct WriteFile {
  char path[kPathSize];
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
};
static_assert(sizeof(WriteFile) == kPathSize + 12);

inline constexpr uint32_t kBindReadOnly = 1;

struct Bind {  // both are directories
  char source[kPathSize];
  char target[kPathSize];
  uint32_t flags;
};
static_assert(sizeof(Bind) == 2 * kPathSize + 4);

struct SmallFs {  // a tmpfs of its own for a directory that a pod may write into
  char path[kPathSize];
  uint32_t mode;    // of its root directory, which is root's
  uint32_t bytes;   // limits of what it holds
  uint32_t inodes;  // at least 1: the root directory is one
};
static_assert(sizeof(SmallFs) == kPathSize + 12);

struct StatInfo {  // payload of a Stat's report
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t mountRoot;  // 1: a mount lies on the path
  uint64_t device;
  uint64_t inode;
};
static_assert(sizeof(StatInfo) == 32);

inline constexpr uint32_t kTapMultiQueue = 1;

struct TapAdd {
  char ifname[kIfnameSize];
  char alias[kAliasSize];  // becomes IFLA_IFALIAS: the mark by which TapDelete knows the tap as ours
  uint8_t mac[6];
  uint16_t reserved;
  uint32_t mtu;
  uint32_t uid;
  uint32_t flags;
};
static_assert(sizeof(TapAdd) == 100);

struct TapDelete {
  char ifname[kIfnameSize];
  char alias[kAliasSize];
};

struct TapDeleteIn {  // of an attachment of another container, in the namespace of its ADD
  char netns[kNetnsSize];
  TapDelete tap;  // with an alias: whose tap it is must be certain
};
static_assert(sizeof(TapDeleteIn) == kNetnsSize + kIfnameSize + kAliasSize);

struct LinkStep {  // kLinkUp, kLinkGet, kAddressList
  char ifname[kIfnameSize];
};

struct AddressAdd {
  char ifname[kIfnameSize];
  uint8_t family;  // 4 or 6
  uint8_t prefix;
  uint16_t reserved;
  uint8_t address[16];
};
static_assert(sizeof(AddressAdd) == 36);

struct RouteAdd {
  char ifname[kIfnameSize];
  uint8_t family;  // 4 or 6
  uint8_t prefix;
  uint8_t hasGateway;
  uint8_t scope;  // RT_SCOPE_*; 255: link without a gateway, universe with one
  uint8_t destination[16];
  uint8_t gateway[16];
  uint32_t mtu;  // this and the next three: 0 is "not given"
  uint32_t advmss;
  uint32_t priority;
  uint32_t table;
};
static_assert(sizeof(RouteAdd) == 68);

struct LinkInfo {  // payload of a LinkGet's report
  uint32_t index;
  uint32_t flags;  // IFF_*
  uint32_t mtu;
  uint8_t mac[6];
  uint16_t reserved;
  char kind[16];
  char alias[kAliasSize];
};
static_assert(sizeof(LinkInfo) == 100);

struct AddressInfo {  // an AddressList's report carries any number of these
  uint8_t family;
  uint8_t prefix;
  uint16_t reserved;
  uint8_t address[16];
};
static_assert(sizeof(AddressInfo) == 20);

struct Exec {  // the plugin's standard input follows; the report carries its standard output
  char name[kPluginNameSize];
  char command[kCommandSize];  // value of CNI_COMMAND for it
  // Its CNI_CONTAINERID and CNI_IFNAME; empty: those of the call.
  char containerId[kContainerIdSize];
  char ifname[kIfnameSize];
  uint32_t timeoutMs;
};
static_assert(sizeof(Exec) == 360);

struct ExecFor {  // as Exec, for an attachment of another container than the one the shim was started for
  Exec exec;
  char args[kArgsSize];  // value of CNI_ARGS; CNI_NETNS is empty
};
static_assert(sizeof(ExecFor) == sizeof(Exec) + 1024);

struct Finish {  // what goes to standard output follows
  uint32_t exitCode;
};

}  // namespace usvhost::shim
