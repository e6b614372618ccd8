// SPDX-License-Identifier: Apache-2.0
// One list of cases for each message: sizes, descriptors, values. What the table refuses, no other code ever sees.
#include "vhost_user/message_table.h"

#include <limits>

#include "test/support.h"
#include "virtio/features.h"

namespace usvhost::test {
namespace {

constexpr int kSameAsRequest = -2;
constexpr uint32_t kTableOfOne = offsetof(MemoryTable, regions) + sizeof(MemoryRegion);

/** What every message must look like; the test holds it against the table, so that a changed row shows here. */
struct Shape {
  Request request;
  std::vector<uint32_t> sizes;
  uint32_t max_fds;
  int reply_size;      // -1: no reply of its own
  uint64_t needs = 0;  // protocol features
};
const Shape kShapes[] = {
    {Request::kGetFeatures, {0}, 0, 8},
    {Request::kSetFeatures, {8}, 0, -1},
    {Request::kSetOwner, {0}, 0, -1},
    {Request::kResetOwner, {0}, 0, -1},
    {Request::kSetMemTable, {kTableOfOne, sizeof(MemoryTable)}, 8, -1},
    {Request::kSetVringNum, {8}, 0, -1},
    {Request::kSetVringAddr, {40}, 0, -1},
    {Request::kSetVringBase, {8}, 0, -1},
    {Request::kGetVringBase, {8}, 0, 8},
    {Request::kSetVringKick, {8}, 1, -1},
    {Request::kSetVringCall, {8}, 1, -1},
    {Request::kSetVringErr, {8}, 1, -1},
    {Request::kGetProtocolFeatures, {0}, 0, 8},
    {Request::kSetProtocolFeatures, {8}, 0, -1},
    {Request::kGetQueueNum, {0}, 0, 8, feature_bit(0)},
    {Request::kSetVringEnable, {8}, 0, -1},
    {Request::kSetStatus, {8}, 0, -1, feature_bit(16)},
    {Request::kGetStatus, {0}, 0, 8, feature_bit(16)},
    {Request::kNetSetMtu, {8}, 0, -1, feature_bit(4)},
    {Request::kGetConfig, {13, 268}, 0, kSameAsRequest, feature_bit(9)},
    {Request::kSetConfig, {13, 268}, 0, -1, feature_bit(9)},
    {Request::kResetDevice, {0}, 0, -1, feature_bit(13)},
    {Request::kGetMaxMemSlots, {0}, 0, 8, feature_bit(15)},
    {Request::kAddMemReg, {40}, 1, -1, feature_bit(15)},
    {Request::kRemMemReg, {40}, 1, -1, feature_bit(15)},
};

bool header_accepted(uint32_t request, uint32_t flags, uint32_t size) {
  Status status = check_request_header({request, flags, size});
  if (!status.ok()) CHECK(std::string(status.code) == "USV_MESSAGE");
  return status.ok();
}

TEST_CASE("numbers: exactly the messages above exist") {
  for (uint32_t number = 0; number < 4096; number++) {
    bool expected = false;
    for (const Shape& shape : kShapes) expected = expected || static_cast<uint32_t>(shape.request) == number;
    CAPTURE(number);
    CHECK((find_message(number) != nullptr) == expected);
  }
  for (uint32_t number : {0x10001u, 0x80000001u, UINT32_MAX}) {
    CHECK(find_message(number) == nullptr);
    CHECK_FALSE(header_accepted(number, kFlagVersion, 0));
    CHECK(std::string(message_name(number)) == "unknown request");
  }
}

TEST_CASE("header: sizes of each message, to the byte") {
  for (const Shape& shape : kShapes) {
    auto number = static_cast<uint32_t>(shape.request);
    CAPTURE(message_name(number));
    uint32_t low = shape.sizes.front(), high = shape.sizes.back();
    CHECK(header_accepted(number, kFlagVersion, low));
    CHECK(header_accepted(number, kFlagVersion, high));
    if (low != 0) CHECK_FALSE(header_accepted(number, kFlagVersion, low - 1));
    if (low != 0) CHECK_FALSE(header_accepted(number, kFlagVersion, 0));
    CHECK_FALSE(header_accepted(number, kFlagVersion, high + 1));
    CHECK_FALSE(header_accepted(number, kFlagVersion, kMaxPayload + 1));
    CHECK_FALSE(header_accepted(number, kFlagVersion, UINT32_MAX));
    CHECK(high <= kMaxPayload);
  }
}

TEST_CASE("header: version 1, no reply flag; need_reply is the peer's choice, other flags are ignored") {
  for (const Shape& shape : kShapes) {
    auto number = static_cast<uint32_t>(shape.request);
    uint32_t size = shape.sizes.front();
    CHECK(header_accepted(number, kFlagVersion | kFlagNeedReply, size));
    CHECK_FALSE(header_accepted(number, 0, size));
    CHECK_FALSE(header_accepted(number, 2, size));
    CHECK_FALSE(header_accepted(number, 3, size));
    CHECK_FALSE(header_accepted(number, kFlagVersion | kFlagReply, size));
  }
}

struct Case {
  Request request;
  const char* name;
  Payload payload;
  uint32_t size;
  uint32_t fds;
  bool accepted;
};

Payload number(uint64_t value) {
  Payload payload{};
  payload.number = value;
  return payload;
}
Payload state(uint32_t index, uint32_t value) {
  Payload payload{};
  payload.state = {index, value};
  return payload;
}
Payload address(uint32_t index, uint32_t flags, uint64_t desc, uint64_t avail, uint64_t used) {
  Payload payload{};
  payload.address = {index, flags, desc, used, avail, 0};
  return payload;
}
Payload config(uint32_t offset, uint32_t size, uint32_t flags = 0) {
  Payload payload{};
  payload.config = {offset, size, flags, {}};
  return payload;
}
Payload table(uint32_t count) {
  Payload payload{};
  payload.memory.count = count;
  return payload;
}
constexpr uint32_t table_size(uint32_t count) {
  return static_cast<uint32_t>(offsetof(MemoryTable, regions) + count * sizeof(MemoryRegion));
}

std::vector<Case> payload_cases() {
  std::vector<Case> cases = {
      {Request::kSetMemTable, "no region", table(0), table_size(1), 0, false},
      {Request::kSetMemTable, "one", table(1), table_size(1), 1, true},
      {Request::kSetMemTable, "one without descriptor", table(1), table_size(1), 0, false},
      {Request::kSetMemTable, "one with two", table(1), table_size(1), 2, false},
      {Request::kSetMemTable, "one, size of two", table(1), table_size(2), 1, false},
      {Request::kSetMemTable, "two, size of one", table(2), table_size(1), 2, false},
      {Request::kSetMemTable, "two, a byte short", table(2), table_size(2) - 1, 2, false},
      {Request::kSetMemTable, "two, the whole array", table(2), sizeof(MemoryTable), 2, true},
      {Request::kSetMemTable, "eight", table(8), table_size(8), 8, true},
      {Request::kSetMemTable, "eight, seven descriptors", table(8), table_size(8), 7, false},
      {Request::kSetMemTable, "nine", table(9), sizeof(MemoryTable), 8, false},
      {Request::kSetMemTable, "count of 2^32 - 1", table(UINT32_MAX), sizeof(MemoryTable), 8, false},
      {Request::kSetMemTable, "count that wraps to one", table(0x08000001), table_size(1), 1, false},
      {Request::kSetStatus, "one byte", number(0xff), 8, 0, true},
      {Request::kSetStatus, "two bytes", number(0x100), 8, 0, false},
      {Request::kSetStatus, "status in the upper half", number(uint64_t{1} << 32), 8, 0, false},
      {Request::kSetVringBase, "largest base", state(0, UINT32_MAX), 8, 0, true},
      {Request::kSetVringEnable, "off", state(0, 0), 8, 0, true},
      {Request::kSetVringEnable, "two", state(0, 2), 8, 0, false},
      {Request::kSetVringAddr, "aligned", address(0, 0, 16, 2, 4), 40, 0, true},
      {Request::kSetVringAddr, "logging wanted", address(0, 1, 16, 2, 4), 40, 0, false},
      {Request::kSetVringAddr, "descriptors off by one", address(0, 0, 17, 2, 4), 40, 0, false},
      {Request::kSetVringAddr, "descriptors off by eight", address(0, 0, 8, 2, 4), 40, 0, false},
      {Request::kSetVringAddr, "avail off by one", address(0, 0, 16, 3, 4), 40, 0, false},
      {Request::kSetVringAddr, "used off by two", address(0, 0, 16, 2, 6), 40, 0, false},
  };
  for (Request request : {Request::kGetConfig, Request::kSetConfig}) {
    cases.insert(cases.end(), {
                                  {request, "one byte", config(0, 1), 13, 0, true},
                                  {request, "the last byte", config(255, 1), 13, 0, true},
                                  {request, "all", config(0, 256), 268, 0, true},
                                  {request, "of a migration", config(0, 12, 1), 24, 0, true},
                                  {request, "unknown flags", config(0, 12, 2), 24, 0, false},
                                  {request, "no byte", config(0, 0), 13, 0, false},
                                  {request, "a byte less than it says", config(0, 13), 24, 0, false},
                                  {request, "a byte more than it says", config(0, 11), 24, 0, false},
                                  {request, "one byte beyond", config(1, 256), 268, 0, false},
                                  {request, "257 bytes", config(0, 257), 268, 0, false},
                                  {request, "begins at the end", config(256, 1), 13, 0, false},
                                  {request, "offset that wraps", config(UINT32_MAX, 1), 13, 0, false},
                                  {request, "size that wraps", config(2, UINT32_MAX), 13, 0, false},
                                  {request, "with a descriptor", config(0, 1), 13, 1, false},
                              });
  }
  for (uint64_t mtu : {uint64_t{0}, uint64_t{67}, uint64_t{65536}, uint64_t{1} << 32 | 1500, UINT64_MAX}) {
    cases.push_back({Request::kNetSetMtu, "bad MTU", number(mtu), 8, 0, false});
  }
  for (uint64_t mtu : {68u, 1500u, 65535u}) {
    cases.push_back({Request::kNetSetMtu, "good MTU", number(mtu), 8, 0, true});
  }
  cases.push_back({Request::kAddMemReg, "its descriptor", number(0), 40, 1, true});
  cases.push_back({Request::kAddMemReg, "no descriptor", number(0), 40, 0, false});
  cases.push_back({Request::kAddMemReg, "two descriptors", number(0), 40, 2, false});
  cases.push_back({Request::kRemMemReg, "no descriptor", number(0), 40, 0, true});
  cases.push_back({Request::kRemMemReg, "one that nobody uses", number(0), 40, 1, true});
  cases.push_back({Request::kRemMemReg, "two descriptors", number(0), 40, 2, false});
  for (uint32_t size : {0u, 4097u, 8192u, 32768u, 32769u, 65535u, 65536u, 0x80000000u, UINT32_MAX}) {
    cases.push_back({Request::kSetVringNum, "bad queue size", state(0, size), 8, 0, false});
  }
  for (uint32_t size : {1u, 2u, 3u, 255u, 256u, 4095u, 4096u}) {
    cases.push_back({Request::kSetVringNum, "good queue size", state(1, size), 8, 0, true});
  }
  for (uint32_t index : {16u, 17u, 128u, 256u, 0x100u, 0x10000u, 0x10001u, 0x80000000u, UINT32_MAX}) {
    for (Request request :
         {Request::kSetVringNum, Request::kSetVringBase, Request::kGetVringBase, Request::kSetVringEnable}) {
      cases.push_back({request, "queue index", state(index, 1), 8, 0, false});
    }
    cases.push_back({Request::kSetVringAddr, "queue index", address(index, 0, 16, 2, 4), 40, 0, false});
  }
  for (Request request : {Request::kSetVringKick, Request::kSetVringCall, Request::kSetVringErr}) {
    for (uint32_t index : {0u, 1u, 15u}) {
      cases.push_back({request, "with its descriptor", number(index), 8, 1, true});
      cases.push_back({request, "without", number(index), 8, 0, false});
      cases.push_back({request, "two of them", number(index), 8, 2, false});
      cases.push_back({request, "none, and says so", number(index | kVringNoFd), 8, 0, true});
      cases.push_back({request, "one, and says none", number(index | kVringNoFd), 8, 1, false});
      cases.push_back({request, "bit 9", number(index | 0x200), 8, 1, false});
      cases.push_back({request, "bit 63", number(index | uint64_t{1} << 63), 8, 1, false});
    }
    cases.push_back({request, "queue index", number(16), 8, 1, false});
    cases.push_back({request, "queue index", number(255), 8, 1, false});
    cases.push_back({request, "queue index", number(0x10000), 8, 1, false});
  }
  return cases;
}

TEST_CASE("payload: values and descriptors") {
  for (const Case& one : payload_cases()) {
    CAPTURE(message_name(static_cast<uint32_t>(one.request)));
    CAPTURE(one.name);
    Message message{{static_cast<uint32_t>(one.request), kFlagVersion, one.size}, one.payload};
    Status status = check_request(message, one.fds);
    CHECK_MESSAGE(status.ok() == one.accepted, status.describe());
    if (!status.ok()) CHECK(std::string(status.code) == "USV_MESSAGE");
  }
}

TEST_CASE("payload: descriptors with a message that takes none") {
  for (const Shape& shape : kShapes) {
    const MessageRow* row = find_message(static_cast<uint32_t>(shape.request));
    REQUIRE(row != nullptr);
    CHECK(row->max_fds == shape.max_fds);
    CHECK(row->replies == (shape.reply_size != -1));
    if (shape.reply_size == kSameAsRequest) CHECK(row->reply_size == kAsRequest);
    if (shape.reply_size >= 0) CHECK(row->reply_size == static_cast<uint32_t>(shape.reply_size));
    for (uint32_t fds = shape.max_fds + 1; fds <= kMaxFds; fds++) {
      Message message{{static_cast<uint32_t>(shape.request), kFlagVersion, shape.sizes.front()}, {}};
      CHECK_FALSE(check_request(message, fds).ok());
    }
  }
  CHECK_FALSE(check_request({{4000, kFlagVersion, 0}, {}}, 0).ok());
}

TEST_CASE("messages of a protocol feature do not exist without it") {
  for (const Shape& shape : kShapes) {
    MessageHeader header{static_cast<uint32_t>(shape.request), kFlagVersion, shape.sizes.front()};
    CAPTURE(message_name(header.request));
    CHECK(check_negotiated(header, UINT64_MAX).ok());
    CHECK(check_negotiated(header, shape.needs).ok());
    CHECK(check_negotiated(header, ~shape.needs).ok() == (shape.needs == 0));
    CHECK(check_negotiated(header, 0).ok() == (shape.needs == 0));
  }
}

TEST_CASE("replies: the number asked for, exactly the reply flag, exactly the size") {
  for (const Shape& shape : kShapes) {
    auto asked = static_cast<uint32_t>(shape.request);
    CAPTURE(message_name(asked));
    MessageHeader request{asked, kFlagVersion | kFlagNeedReply, shape.sizes.front()};
    uint32_t size = shape.reply_size >= 0 ? static_cast<uint32_t>(shape.reply_size) : 8u;  // else an acknowledgement
    if (shape.reply_size == kSameAsRequest) size = request.size;
    auto accepted = [&](uint32_t number_, uint32_t flags, uint32_t bytes) {
      return check_reply_header({number_, flags, bytes}, request).ok();
    };
    CHECK(accepted(asked, kFlagVersion | kFlagReply, size));
    CHECK_FALSE(accepted(asked + 1, kFlagVersion | kFlagReply, size));
    CHECK_FALSE(accepted(0, kFlagVersion | kFlagReply, size));
    CHECK_FALSE(accepted(asked, kFlagVersion, size));
    CHECK_FALSE(accepted(asked, kFlagReply, size));
    CHECK_FALSE(accepted(asked, 2 | kFlagReply, size));
    for (uint32_t wrong : {0u, size - 1, size + 1, static_cast<uint32_t>(kMaxPayload), UINT32_MAX}) {
      // A back-end without a configuration to tell answers with nothing (vhost-user, VHOST_USER_GET_CONFIG).
      bool refusal = wrong == 0 && shape.request == Request::kGetConfig;
      CHECK(accepted(asked, kFlagVersion | kFlagReply, wrong) == refusal);
    }
  }
}

}  // namespace
}  // namespace usvhost::test
