// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/message_table.h"

#include "virtio/features.h"
#include "virtio/split_ring.h"

namespace usvhost {

namespace {

constexpr uint32_t kU64 = sizeof(uint64_t);

// One validity function for each wire structure; the rows below name the one that belongs to them.

bool valid_vring_number(const Payload& payload, uint32_t, uint32_t) {
  // What else a size must be is known with the kind of ring.
  return payload.state.index < kMaxQueues && payload.state.value != 0 && payload.state.value <= kMaxQueueSize;
}

bool valid_vring_index(const Payload& payload, uint32_t, uint32_t) { return payload.state.index < kMaxQueues; }

bool valid_vring_enable(const Payload& payload, uint32_t, uint32_t) {
  return payload.state.index < kMaxQueues && payload.state.value <= 1;
}

bool valid_vring_address(const Payload& payload, uint32_t, uint32_t) {
  const VringAddress& address = payload.address;
  // flags bit 0 asks for a dirty log, which is not offered.
  return address.index < kMaxQueues && address.flags == 0 && address.desc % SplitRing::kDescAlign == 0 &&
         address.avail % SplitRing::kAvailAlign == 0 && address.used % SplitRing::kUsedAlign == 0;
}

bool valid_vring_fd(const Payload& payload, uint32_t, uint32_t fd_count) {
  if ((payload.number & ~(kVringIndexMask | kVringNoFd)) != 0) return false;
  if ((payload.number & kVringIndexMask) >= kMaxQueues) return false;
  return fd_count == ((payload.number & kVringNoFd) != 0 ? 0u : 1u);
}

bool valid_memory_table(const Payload& payload, uint32_t size, uint32_t fd_count) {
  const MemoryTable& table = payload.memory;
  if (table.count == 0 || table.count > kMaxRegions || fd_count != table.count) return false;
  // DPDK sends the whole array whatever the count; the specification sends `count` entries.
  return size == sizeof(MemoryTable) || size == offsetof(MemoryTable, regions) + table.count * sizeof(MemoryRegion);
}

bool valid_memory_slot(const Payload&, uint32_t, uint32_t fd_count) { return fd_count == 1; }

bool valid_config(const Payload& payload, uint32_t size, uint32_t) {
  const ConfigSpace& config = payload.config;
  // Flag bit 0 marks what is carried over by a migration; writable by the driver is nothing.
  return config.size != 0 && config.size <= kMaxConfigBytes && config.offset <= kMaxConfigBytes - config.size &&
         config.flags <= 1 && size == offsetof(ConfigSpace, bytes) + config.size;
}

/** virtio 1.2, 5.1.4.1: no device has a smaller one than 68. */
bool valid_mtu(const Payload& payload, uint32_t, uint32_t) {
  return payload.number >= 68 && payload.number <= UINT16_MAX;
}

bool valid_status(const Payload& payload, uint32_t, uint32_t) { return payload.number <= UINT8_MAX; }

constexpr uint64_t kMq = feature_bit(kProtocolMq);
constexpr uint64_t kStatus = feature_bit(kProtocolStatus);
constexpr uint64_t kMtu = feature_bit(kProtocolNetMtu);
constexpr uint64_t kConfig = feature_bit(kProtocolConfig);
constexpr uint64_t kReset = feature_bit(kProtocolResetDevice);
constexpr uint64_t kSlots = feature_bit(kProtocolConfigureMemSlots);

constexpr MessageRow kRows[] = {
    {Request::kGetFeatures, "GET_FEATURES", 0, 0, true, kU64, nullptr, "", 0, 0},
    {Request::kSetFeatures, "SET_FEATURES", kU64, kU64, false, 0, nullptr, "", 0, 0},
    {Request::kSetOwner, "SET_OWNER", 0, 0, false, 0, nullptr, "", 0, 0},
    {Request::kResetOwner, "RESET_OWNER", 0, 0, false, 0, nullptr, "", 0, 0},
    {Request::kSetMemTable, "SET_MEM_TABLE", offsetof(MemoryTable, regions) + sizeof(MemoryRegion), sizeof(MemoryTable),
     false, 0, valid_memory_table, "1 to 8 regions with a descriptor each", kMaxRegions, 0},
    {Request::kSetVringNum, "SET_VRING_NUM", sizeof(VringState), sizeof(VringState), false, 0, valid_vring_number,
     "a queue below 16 and a size from 1 to 4096", 0, 0},
    {Request::kSetVringAddr, "SET_VRING_ADDR", sizeof(VringAddress), sizeof(VringAddress), false, 0,
     valid_vring_address, "a queue below 16, flags 0 and areas aligned to 16, 2 and 4 bytes", 0, 0},
    {Request::kSetVringBase, "SET_VRING_BASE", sizeof(VringState), sizeof(VringState), false, 0, valid_vring_index,
     "a queue below 16", 0, 0},
    {Request::kGetVringBase, "GET_VRING_BASE", sizeof(VringState), sizeof(VringState), true, sizeof(VringState),
     valid_vring_index, "a queue below 16", 0, 0},
    {Request::kSetVringKick, "SET_VRING_KICK", kU64, kU64, false, 0, valid_vring_fd,
     "a queue below 16 and one descriptor (none with bit 8 set)", 1, 0},
    {Request::kSetVringCall, "SET_VRING_CALL", kU64, kU64, false, 0, valid_vring_fd,
     "a queue below 16 and one descriptor (none with bit 8 set)", 1, 0},
    {Request::kSetVringErr, "SET_VRING_ERR", kU64, kU64, false, 0, valid_vring_fd,
     "a queue below 16 and one descriptor (none with bit 8 set)", 1, 0},
    {Request::kGetProtocolFeatures, "GET_PROTOCOL_FEATURES", 0, 0, true, kU64, nullptr, "", 0, 0},
    {Request::kSetProtocolFeatures, "SET_PROTOCOL_FEATURES", kU64, kU64, false, 0, nullptr, "", 0, 0},
    {Request::kGetQueueNum, "GET_QUEUE_NUM", 0, 0, true, kU64, nullptr, "", 0, kMq},
    {Request::kSetVringEnable, "SET_VRING_ENABLE", sizeof(VringState), sizeof(VringState), false, 0, valid_vring_enable,
     "a queue below 16 and 0 or 1", 0, 0},
    {Request::kSetStatus, "SET_STATUS", kU64, kU64, false, 0, valid_status, "a device status of one byte", 0, kStatus},
    {Request::kGetStatus, "GET_STATUS", 0, 0, true, kU64, nullptr, "", 0, kStatus},
    {Request::kNetSetMtu, "NET_SET_MTU", kU64, kU64, false, 0, valid_mtu, "an MTU from 68 to 65535", 0, kMtu},
    {Request::kGetConfig, "GET_CONFIG", offsetof(ConfigSpace, bytes) + 1, sizeof(ConfigSpace), true, kAsRequest,
     valid_config, "a piece of 256 bytes, as long as it says, and flags 0 or 1", 0, kConfig},
    {Request::kSetConfig, "SET_CONFIG", offsetof(ConfigSpace, bytes) + 1, sizeof(ConfigSpace), false, 0, valid_config,
     "a piece of 256 bytes, as long as it says, and flags 0 or 1", 0, kConfig},
    {Request::kResetDevice, "RESET_DEVICE", 0, 0, false, 0, nullptr, "", 0, kReset},
    {Request::kGetMaxMemSlots, "GET_MAX_MEM_SLOTS", 0, 0, true, kU64, nullptr, "", 0, kSlots},
    {Request::kAddMemReg, "ADD_MEM_REG", sizeof(MemorySlot), sizeof(MemorySlot), false, 0, valid_memory_slot,
     "one descriptor", 1, kSlots},
    // The specification lets a front-end attach a descriptor here, which nobody uses.
    {Request::kRemMemReg, "REM_MEM_REG", sizeof(MemorySlot), sizeof(MemorySlot), false, 0, nullptr, "", 1, kSlots},
};

}  // namespace

const MessageRow* find_message(uint32_t request) {
  for (const MessageRow& row : kRows) {
    if (static_cast<uint32_t>(row.request) == request) return &row;
  }
  return nullptr;
}

const char* message_name(uint32_t request) {
  const MessageRow* row = find_message(request);
  return row != nullptr ? row->name : "unknown request";
}

Status check_request_header(const MessageHeader& header) {
  if ((header.flags & kFlagVersionMask) != kFlagVersion || (header.flags & kFlagReply) != 0) {
    return failure("USV_MESSAGE", "expected flags of a version 1 request, got 0x%x in request %u", header.flags,
                   header.request);
  }
  const MessageRow* row = find_message(header.request);
  if (row == nullptr) {
    return failure("USV_MESSAGE", "expected a request that was negotiated, got number %u", header.request);
  }
  if (header.size < row->min_size || header.size > row->max_size) {
    return failure("USV_MESSAGE", "expected %u to %u payload bytes for %s, got %u", row->min_size, row->max_size,
                   row->name, header.size);
  }
  return {};
}

Status check_reply_header(const MessageHeader& header, const MessageHeader& expected) {
  const MessageRow* row = find_message(expected.request);
  uint32_t size = row != nullptr && row->replies ? row->reply_size : kU64;
  // Without a payload such an answer says that there is none (vhost-user, "VHOST_USER_GET_CONFIG").
  if (size == kAsRequest) size = header.size == 0 ? 0 : expected.size;
  if (header.request == expected.request && header.flags == (kFlagVersion | kFlagReply) && header.size == size)
    return {};
  return failure("USV_MESSAGE", "expected a reply of %u bytes to %s, got request %u with flags 0x%x and %u bytes", size,
                 message_name(expected.request), header.request, header.flags, header.size);
}

Status check_negotiated(const MessageHeader& header, uint64_t protocol_features) {
  const MessageRow* row = find_message(header.request);
  if (row == nullptr || (row->protocol_features & ~protocol_features) == 0) return {};
  return failure("USV_MESSAGE", "expected a request that was negotiated, got %s", row->name);
}

Status check_request(const Message& message, uint32_t fd_count) {
  const MessageRow* row = find_message(message.header.request);
  if (row == nullptr) return failure("USV_MESSAGE", "expected a known request, got %u", message.header.request);
  if (fd_count > row->max_fds) {
    return failure("USV_MESSAGE", "expected at most %u descriptors with %s, got %u", row->max_fds, row->name, fd_count);
  }
  if (row->is_valid != nullptr && !row->is_valid(message.payload, message.header.size, fd_count)) {
    return failure("USV_MESSAGE", "expected %s for %s, got something else", row->expectation, row->name);
  }
  return {};
}

}  // namespace usvhost
