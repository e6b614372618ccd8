// SPDX-License-Identifier: Apache-2.0
// A BackEnd without a socket: each message is said by the test, and between two of them the data path must be free.
#pragma once

#include <fcntl.h>

#include <string>
#include <vector>

#include "test/guest_memory.h"
#include "test/hostile_client.h"
#include "test/support.h"
#include "vhost_user/back_end.h"

namespace usvhost::test {

struct Session final : BackEndListener {
  explicit Session(const DeviceFacts& facts = {}) : memory(64 * 4096), back_end(*this, facts) {
    for (int i = 0; i < kQueues; i++) {
      rings[i].attach(memory.at(i * 8192), 64);
      kicks[i].reset(eventfd(0, EFD_CLOEXEC));
    }
  }
  void pause() override {
    CHECK_FALSE(paused);
    paused = true;
    pauses++;
  }
  void resume() override {
    CHECK(paused);
    paused = false;
  }

  /** "ok" or the code of the failure. */
  std::string say(Request request, const void* payload, uint32_t size, const std::vector<int>& fds = {},
                  uint32_t flags = 0) {
    Message message{{static_cast<uint32_t>(request), flags | kFlagVersion, size}, {}};
    if (size != 0) memcpy(&message.payload, payload, size);
    std::vector<Fd> owned;
    for (int fd : fds) owned.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    reply = {};
    Status status = back_end.handle(message, owned, reply);
    CHECK_FALSE(paused);
    return status.ok() ? "ok" : status.code;
  }
  std::string ask(Request request) { return say(request, nullptr, 0); }
  std::string number(Request request, uint64_t value, const std::vector<int>& fds = {}, uint32_t flags = 0) {
    return say(request, &value, sizeof value, fds, flags);
  }
  std::string state(Request request, uint32_t index, uint32_t value, uint32_t flags = 0) {
    VringState payload{index, value};
    return say(request, &payload, sizeof payload, {}, flags);
  }
  void negotiate(uint64_t protocol = kSupportedProtocolFeatures) {
    REQUIRE(number(Request::kSetProtocolFeatures, protocol) == "ok");
  }
  /** ADD_MEM_REG and REM_MEM_REG of pages of the memory. */
  std::string slot(Request request, size_t page, size_t pages, const std::vector<int>& fds = {}) {
    uint64_t at = memory.address(page * 4096);
    MemorySlot payload{0, {at, pages * 4096, at, page * 4096}};
    return say(request, &payload, sizeof payload, fds);
  }
  std::string add(size_t page, size_t pages) { return slot(Request::kAddMemReg, page, pages, {memory.segment().fd()}); }
  std::string remove(size_t page, size_t pages) { return slot(Request::kRemMemReg, page, pages); }
  /** GET_CONFIG; the answer is in `reply`. */
  std::string config(uint32_t offset, uint32_t size) {
    ConfigSpace payload{offset, size, 0, {}};
    return say(Request::kGetConfig, &payload, 12 + size);
  }
  bool reaches(size_t page) { return back_end.memory().translate(memory.address(page * 4096), 1) != nullptr; }
  std::string table(uint32_t flags = 0) {
    MemoryTable payload{};
    payload.count = 1;
    payload.regions[0] = {memory.address(0), memory.segment().size(), memory.address(0), 0};
    return say(Request::kSetMemTable, &payload, 40, {memory.segment().fd()}, flags);
  }
  std::string address(uint16_t queue, uint64_t shift = 0) {
    const SplitRing& ring = rings[queue].ring();
    VringAddress payload{
        queue, 0, guest_address(ring.desc) + shift, guest_address(ring.used) + shift, guest_address(ring.avail) + shift,
        0};
    return say(Request::kSetVringAddr, &payload, sizeof payload);
  }
  std::string kick(uint16_t queue) { return number(Request::kSetVringKick, queue, {kicks[queue].get()}); }
  void start(uint16_t queue) {
    REQUIRE(state(Request::kSetVringNum, queue, 64) == "ok");
    REQUIRE(state(Request::kSetVringBase, queue, 0) == "ok");
    REQUIRE(address(queue) == "ok");
    REQUIRE(kick(queue) == "ok");
  }
  bool active(uint16_t queue) { return back_end.queue(queue).active(); }

  GuestMemory memory;
  RawRing rings[kQueues];
  Fd kicks[kQueues];
  Reply reply;
  bool paused = false;
  int pauses = 0;
  BackEnd back_end;
};

/** Moves a ring on, as a data thread that has completed `count` chains. */
inline void pass(BackEndQueue& queue, uint32_t count) {
  queue.ring.visit([count](auto& ring) {
    std::vector<Chain> chains(count, Chain{0, 1, 0});
    ring.complete(chains.data(), count);
  });
}

}  // namespace usvhost::test
