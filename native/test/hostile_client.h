// SPDX-License-Identifier: Apache-2.0
// A raw vhost-user front-end that says whatever a test wants: any bytes, any descriptors, any ring contents, in any order.
// It blocks only in receive(), which gives up after ten seconds.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <vector>

#include "memory/address.h"
#include "test/raw_ring.h"
#include "vhost_user/messages.h"
#include "virtio/features.h"

namespace usvhost::test {

/** Sends bytes with descriptors attached to the first of them, as one sendmsg(). Returns what sendmsg() returned. */
inline ssize_t send_with_fds(int socket, const void* bytes, size_t size, const std::vector<int>& fds, int flags = 0) {
  iovec piece{const_cast<void*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 253)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | flags);
}

/** The bytes of one request. */
inline std::vector<uint8_t> encode(Request request, uint32_t flags, const void* payload, uint32_t size) {
  MessageHeader header{static_cast<uint32_t>(request), flags | kFlagVersion, size};
  std::vector<uint8_t> bytes(sizeof header + size);
  memcpy(bytes.data(), &header, sizeof header);
  if (size != 0) memcpy(bytes.data() + sizeof header, payload, size);
  return bytes;
}

class HostileClient {
 public:
  static constexpr uint16_t kSize = 64;
  static constexpr size_t kBytes = 256 * 1024;
  static constexpr size_t kData = 64 * 1024;  // buffers begin here

  explicit HostileClient(const std::string& path, unsigned memfd_flags = 0)
      : HostileClient(connected(path), memfd_flags) {}
  /** Speaks over a connection that somebody has made. */
  explicit HostileClient(Fd socket, unsigned memfd_flags = 0) : socket_(std::move(socket)) {
    file_.reset(memfd_create("hostile", MFD_CLOEXEC | memfd_flags));
    REQUIRE(ftruncate(file_.get(), kBytes) == 0);
    memory_ = static_cast<uint8_t*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0));
    REQUIRE(memory_ != MAP_FAILED);
    for (int i = 0; i < kQueues; i++) {
      rings[i].attach(memory_ + i * SplitDriverQueue::bytes(kSize), kSize);
      kicks[i].reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      calls[i].reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    }
  }
  ~HostileClient() { munmap(memory_, kBytes); }
  HostileClient(const HostileClient&) = delete;
  HostileClient& operator=(const HostileClient&) = delete;

  int socket() const { return socket_.get(); }
  int file() const { return file_.get(); }
  uint8_t* at(size_t offset) const { return memory_ + offset; }
  uint64_t address(size_t offset) const { return guest_address(memory_ + offset); }
  void hang_up() { socket_.reset(); }

  bool send(Request request, const void* payload = nullptr, uint32_t size = 0, const std::vector<int>& fds = {},
            uint32_t flags = 0) {
    std::vector<uint8_t> bytes = encode(request, flags, payload, size);
    return send_with_fds(socket(), bytes.data(), bytes.size(), fds) == static_cast<ssize_t>(bytes.size());
  }
  bool send_number(Request request, uint64_t number, const std::vector<int>& fds = {}, uint32_t flags = 0) {
    return send(request, &number, sizeof number, fds, flags);
  }
  bool send_state(Request request, uint32_t index, uint32_t value, uint32_t flags = 0) {
    VringState state{index, value};
    return send(request, &state, sizeof state, {}, flags);
  }
  bool send_memory(uint32_t flags = 0) {
    MemoryTable table{};
    table.count = 1;
    table.regions[0] = {address(0), kBytes, address(0), 0};
    return send(Request::kSetMemTable, &table, offsetof(MemoryTable, regions) + sizeof(MemoryRegion), {file()}, flags);
  }
  bool send_address(uint16_t queue, uint32_t flags = 0) {
    const SplitRing& ring = rings[queue].ring();
    VringAddress where{queue, 0, guest_address(ring.desc), guest_address(ring.used), guest_address(ring.avail), 0};
    return send(Request::kSetVringAddr, &where, sizeof where, {}, flags);
  }

  /** The next answer, or nothing when the peer hangs up or ten seconds pass. */
  std::optional<Message> receive() {
    Message message{};
    if (!read_fully(&message.header, sizeof message.header) || message.header.size > sizeof message.payload ||
        !read_fully(&message.payload, message.header.size)) {
      return {};
    }
    return message;
  }
  /** Reads and drops what is left until the peer closes; false when it does not within ten seconds. */
  bool closed() {
    char bytes[256];
    for (;;) {
      pollfd readable{socket(), POLLIN, 0};
      if (poll(&readable, 1, 10'000) != 1) return false;
      ssize_t got = recv(socket(), bytes, sizeof bytes, 0);
      if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
      if (got < 0) return false;
    }
  }
  /** Sends a request with the wish for an acknowledgement; true when it came and was zero. */
  bool acknowledged() {
    std::optional<Message> answer = receive();
    return answer && answer->payload.number == 0;
  }

  /** Features up to SET_OWNER, with REPLY_ACK; the rest of the handshake is the test's. */
  bool negotiate() {
    bool sent = send(Request::kGetFeatures);
    std::optional<Message> features = receive();
    sent = sent && features && send_number(Request::kSetProtocolFeatures, kSupportedProtocolFeatures) &&
           send(Request::kSetOwner) && send_number(Request::kSetFeatures, kFrontEndFeatures);
    return sent;
  }
  bool start_queue(uint16_t queue) {
    return send_state(Request::kSetVringNum, queue, kSize) && send_state(Request::kSetVringBase, queue, 0) &&
           send_address(queue) && send_number(Request::kSetVringCall, queue, {calls[queue].get()}) &&
           send_number(Request::kSetVringKick, queue, {kicks[queue].get()}) &&
           send_state(Request::kSetVringEnable, queue, 1);
  }
  /** A correct handshake; the rings are then the attacker's to write. */
  bool handshake() {
    return negotiate() && send_memory(kFlagNeedReply) && acknowledged() && start_queue(kReceiveQueue) &&
           start_queue(kTransmitQueue) && send(Request::kGetStatus) && receive().has_value();
  }

  /** Offers a good receive buffer of 2048 bytes as descriptor `index`. */
  void post_receive(uint16_t index) {
    rings[kReceiveQueue].describe(index, address(kData + 2048u * index), 2048, VRING_DESC_F_WRITE);
    rings[kReceiveQueue].offer(index);
  }
  /** Offers one frame of `length` bytes as descriptor `index`; `fill` has written it behind the header. */
  void post_transmit(uint16_t index, uint32_t length) {
    rings[kTransmitQueue].describe(index, address(transmit_offset(index)), kHeader + length);
    rings[kTransmitQueue].offer(index);
    kick(kTransmitQueue);
  }
  uint8_t* transmit_frame(uint16_t index) const { return at(transmit_offset(index) + kHeader); }
  void kick(uint16_t queue) const {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(kicks[queue].get(), &one, sizeof one);
  }

  RawRing rings[kQueues];
  Fd kicks[kQueues], calls[kQueues];

 private:
  static constexpr uint32_t kHeader = 12;
  static Fd connected(const std::string& path) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return socket;
  }
  static size_t transmit_offset(uint16_t index) { return kBytes - 2048u * (index % 16 + 1u); }

  bool read_fully(void* to, size_t size) {
    auto* bytes = static_cast<uint8_t*>(to);
    while (size != 0) {
      pollfd readable{socket(), POLLIN, 0};
      if (poll(&readable, 1, 10'000) != 1) return false;
      ssize_t got = recv(socket(), bytes, size, 0);
      if (got <= 0) return false;
      bytes += got;
      size -= static_cast<size_t>(got);
    }
    return true;
  }

  Fd socket_;
  Fd file_;
  uint8_t* memory_ = nullptr;
};

}  // namespace usvhost::test
