// SPDX-License-Identifier: Apache-2.0
// The wire structures of vhost-user, byte for byte (QEMU's docs/interop/vhost-user.rst, "Message Specification").
// Little-endian hosts only, which is what the native byte order of the protocol means on every supported CPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/region_table.h"

namespace usvhost {

enum class Request : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kNetSetMtu = 20,
  kGetConfig = 24,
  kSetConfig = 25,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
  kSetStatus = 39,
  kGetStatus = 40,
};

struct MessageHeader {
  uint32_t request;
  uint32_t flags;
  uint32_t size;
};
static_assert(sizeof(MessageHeader) == 12);

inline constexpr uint32_t kFlagVersionMask = 0x3;
inline constexpr uint32_t kFlagVersion = 0x1;
inline constexpr uint32_t kFlagReply = 0x4;
inline constexpr uint32_t kFlagNeedReply = 0x8;

struct VringState {
  uint32_t index;
  uint32_t value;
};
static_assert(sizeof(VringState) == 8);

struct VringAddress {
  uint32_t index;
  uint32_t flags;
  uint64_t desc;
  uint64_t used;
  uint64_t avail;
  uint64_t log;
};
static_assert(sizeof(VringAddress) == 40);

struct MemoryRegion {
  uint64_t guest_address;
  uint64_t size;
  uint64_t user_address;
  uint64_t mmap_offset;
};
static_assert(sizeof(MemoryRegion) == 32);

struct MemoryTable {
  uint32_t count;
  uint32_t padding;
  MemoryRegion regions[kMaxRegions];
};
static_assert(sizeof(MemoryTable) == 8 + 32 * kMaxRegions);

/** One region of ADD_MEM_REG and REM_MEM_REG ("Single memory region description"). */
struct MemorySlot {
  uint64_t padding;
  MemoryRegion region;
};
static_assert(sizeof(MemorySlot) == 40);

/** The largest configuration space, and so the largest piece of it in a message ("Virtio device config space"). */
inline constexpr uint32_t kMaxConfigBytes = 256;

/** A piece of the configuration space: of GET_CONFIG, its answer and SET_CONFIG. `size` bytes are there. */
struct ConfigSpace {
  uint32_t offset;
  uint32_t size;
  uint32_t flags;
  uint8_t bytes[kMaxConfigBytes];
};
static_assert(sizeof(ConfigSpace) == 12 + kMaxConfigBytes);

/** The fd-carrying u64 of SET_VRING_KICK, CALL and ERR: queue index in the low byte, "no descriptor" in bit 8. */
inline constexpr uint64_t kVringIndexMask = 0xff;
inline constexpr uint64_t kVringNoFd = 0x100;

union Payload {
  uint64_t number;
  VringState state;
  VringAddress address;
  MemoryTable memory;
  MemorySlot slot;
  ConfigSpace config;
};

inline constexpr size_t kMaxPayload = sizeof(Payload);
inline constexpr size_t kMaxFds = kMaxRegions;

struct Message {
  MessageHeader header;
  Payload payload;
};

}  // namespace usvhost
