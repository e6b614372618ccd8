// SPDX-License-Identifier: Apache-2.0
// Bytes become a front-end: messages with descriptors over a real socket pair into Connection's own parts, between them
// writes into the shared memory and passes of the forwarder. Whatever it says, nothing may be read or written outside its
// memory, no descriptor may stay, and the data path may run only between resume() and pause().
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "fuzz/input.h"
#include "memory/fault_guard.h"
#include "switch/forwarder.h"
#include "switch/publication.h"
#include "vhost_user/back_end.h"
#include "vhost_user/message_table.h"
#include "vhost_user/stream.h"

namespace usvhost::fuzz {
namespace {

constexpr size_t kMemory = 64 * 1024;
constexpr uint64_t kAddress = 0x10000;  // of the memory, in the front-end and in the guest

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
  return count;
}

/** A port and its data path, as the switch would run them, without threads. */
class Port final : public BackEndListener {
 public:
  Port() : network_(64, 300, 4), table_(4), forwarder_(table_), back_end_(*this) {
    runtime_.network = &network_;
    runtime_.counters = &counters_;
    runtime_.max_frame = 1518;
    table_.set_end(1);
  }
  BackEnd& back_end() { return back_end_; }
  void pause() override {
    expect(!paused_);
    paused_ = true;
    table_.withdraw(0);
  }
  void resume() override {
    expect(paused_);
    paused_ = false;
    describe_queues(back_end_, runtime_);
    if (runtime_.transmit_count != 0 || runtime_.receive_count != 0) table_.publish(0, &runtime_);
  }
  /** One pass of the data thread; false when the port would be ended. */
  bool forward() {
    PortRuntime* port = table_.get(0);
    if (port == nullptr || port->transmit_count == 0) return true;
    forwarder_.forward(*port, 1);
    return port->broken.load() == RingError::kNone && !back_end_.memory().faulted();
  }
  static void expect(bool condition) {
    if (!condition) abort();
  }

 private:
  CounterBlock counters_{};
  Network network_;
  PortTable table_;
  Forwarder forwarder_;
  PortRuntime runtime_;
  bool paused_ = false;
  BackEnd back_end_;
};

class FrontEndProcess {
 public:
  FrontEndProcess() : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Port::expect(ftruncate(file_.get(), kMemory) == 0);
    memory_ = static_cast<uint8_t*>(mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0));
    event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    int ends[2];
    Port::expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    socket_.reset(ends[0]);
    stream_.emplace(Fd(ends[1]), check_request_header);
  }
  ~FrontEndProcess() { munmap(memory_, kMemory); }
  FrontEndProcess(const FrontEndProcess&) = delete;
  FrontEndProcess& operator=(const FrontEndProcess&) = delete;

  void run(Input input) {
    while (!input.empty()) {
      switch (input.byte() % 8) {
        case 0: write_memory(input); break;
        case 1:
          if (!port_.forward()) return;
          break;
        case 2: send_raw(input); break;
        case 3:
          if (input.byte() % 4 == 0) Port::expect(ftruncate(file_.get(), input.byte() * 256) == 0);
          break;
        default: send_message(input);
      }
      if (!serve()) return;
    }
  }

 private:
  void write_memory(Input& input) {
    // Not through our own mapping: the file may have been truncated.
    size_t offset = input.number<uint16_t>() % kMemory;
    uint8_t bytes[32];
    size_t length = input.bytes(bytes, 1 + input.byte() % sizeof bytes);
    length = std::min(length, kMemory - offset);
    [[maybe_unused]] ssize_t written = pwrite(file_.get(), bytes, length, static_cast<off_t>(offset));
  }
  void send_raw(Input& input) {
    uint8_t bytes[40];
    send(bytes, input.bytes(bytes, 1 + input.byte() % sizeof bytes), input.byte());
  }
  /** A message of a known number and size, values near to good ones, so that the fuzzer comes past the checks. */
  void send_message(Input& input) {
    static constexpr Request kRequests[] = {
        Request::kSetFeatures,  Request::kSetMemTable,    Request::kSetVringNum,         Request::kSetVringAddr,
        Request::kSetVringBase, Request::kGetVringBase,   Request::kSetVringKick,        Request::kSetVringCall,
        Request::kSetVringErr,  Request::kSetVringEnable, Request::kSetProtocolFeatures, Request::kSetStatus,
        Request::kGetFeatures,  Request::kSetOwner,       Request::kGetStatus,           Request::kResetOwner,
        Request::kNetSetMtu,    Request::kGetConfig,      Request::kSetConfig,           Request::kResetDevice,
        Request::kAddMemReg,    Request::kRemMemReg,      Request::kGetMaxMemSlots,      Request::kGetQueueNum};
    Request request = kRequests[input.byte() % std::size(kRequests)];
    const MessageRow* row = find_message(static_cast<uint32_t>(request));
    Message message{{static_cast<uint32_t>(request), kFlagVersion | (input.byte() & kFlagNeedReply), row->max_size},
                    {}};
    uint8_t descriptors = 0;
    uint32_t index = input.byte() % 5;
    switch (request) {
      case Request::kSetFeatures: message.payload.number = kFrontEndFeatures ^ input.byte(); break;
      case Request::kSetProtocolFeatures:
        message.payload.number = kSupportedProtocolFeatures & ~uint64_t{input.byte()};
        break;
      case Request::kSetStatus: message.payload.number = input.byte(); break;
      case Request::kSetMemTable: {
        MemoryTable& table = message.payload.memory;
        table.count = 1 + input.byte() % 2;
        for (uint32_t i = 0; i < table.count; i++) {
          uint64_t part = kMemory / table.count;
          table.regions[i] = {kAddress + i * part, part, kAddress + i * part, i * part};
          if (input.byte() % 4 == 0) input.bytes(reinterpret_cast<uint8_t*>(&table.regions[i]), 32);
        }
        descriptors = static_cast<uint8_t>(table.count);
        break;
      }
      case Request::kAddMemReg:
      case Request::kRemMemReg: {
        // Two pages of sixteen, so that regions meet, overlap and are found again.
        uint64_t part = input.byte() % 8 * (kMemory / 8);
        message.payload.slot = {0, {kAddress + part, kMemory / 8, kAddress + part, part}};
        if (input.byte() % 8 == 0) input.bytes(reinterpret_cast<uint8_t*>(&message.payload.slot), 40);
        descriptors = request == Request::kAddMemReg ? 1 : 0;
        break;
      }
      case Request::kGetConfig:
      case Request::kSetConfig:
        message.payload.config = {input.byte(), 1u + input.byte() % 16, 0, {}};
        message.header.size = static_cast<uint32_t>(offsetof(ConfigSpace, bytes)) + message.payload.config.size;
        break;
      case Request::kNetSetMtu: message.payload.number = input.number<uint16_t>(); break;
      case Request::kSetVringAddr: {
        uint64_t at = kAddress + input.byte() * 256u;
        message.payload.address = {index, 0, at, at + 0x400, at + 0x200, 0};
        if (input.byte() % 4 == 0) message.payload.address.used = kAddress + input.number<uint16_t>();
        break;
      }
      case Request::kSetVringKick:
      case Request::kSetVringCall:
      case Request::kSetVringErr:
        message.payload.number = index;
        descriptors = 1;
        break;
      case Request::kSetVringNum: message.payload.state = {index, 1u << input.byte() % 14}; break;
      case Request::kSetVringBase: message.payload.state = {index, input.number<uint16_t>()}; break;
      default: message.payload.state = {index, input.byte() % 3u};
    }
    uint8_t bytes[sizeof message.header + sizeof message.payload];
    memcpy(bytes, &message.header, sizeof message.header);
    memcpy(bytes + sizeof message.header, &message.payload, message.header.size);
    uint8_t surplus = input.byte();
    if (surplus % 16 == 1) descriptors = static_cast<uint8_t>(surplus / 16);
    send(bytes, sizeof message.header + message.header.size,
         static_cast<uint8_t>(descriptors |
                              (request == Request::kSetMemTable || request == Request::kAddMemReg ? 0x80 : 0)));
  }
  /** Low bits: how many descriptors; the highest: of the memory, else of an eventfd. */
  void send(const uint8_t* bytes, size_t length, uint8_t what) {
    size_t count = what & 0xf;
    iovec piece{const_cast<uint8_t*>(bytes), length};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 15)] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (count != 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * count);
      int fd = (what & 0x80) != 0 ? file_.get() : event_.get();
      for (size_t i = 0; i < count; i++) memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
    [[maybe_unused]] ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  /** The control thread's half; false when the connection would be ended. */
  bool serve() {
    while (stream_->receive() == MessageStream::Progress::kMessage) {
      Reply reply;
      const Message& message = stream_->message();
      Status status = port_.back_end().handle(message, stream_->fds(), reply);
      if (reply.present) {
        auto request = static_cast<Request>(message.header.request);
        if (!stream_->send(request, kFlagReply, &reply.payload, reply.size).ok()) return false;
      }
      if (!status.ok()) return false;
      for (uint16_t i = 0; i < kMaxQueues; i++) {
        const BackEndQueue& queue = port_.back_end().queue(i);
        if (queue.active()) Port::expect(queue.kick && queue.size != 0 && port_.back_end().memory().count() != 0);
      }
    }
    return stream_->status().ok();
  }

  Fd file_;
  uint8_t* memory_ = nullptr;
  Fd event_;
  Fd socket_;
  Port port_;
  std::optional<MessageStream> stream_;
};

}  // namespace
}  // namespace usvhost::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace usvhost;
  if (!FaultGuard::install().ok()) abort();
  // Counting costs more than a run does, so it is done for one in sixty-four.
  static uint32_t runs = 0;
  bool count = runs++ % 64 == 0;
  size_t before = count ? fuzz::open_descriptors() : 0;
  std::make_unique<fuzz::FrontEndProcess>()->run(fuzz::Input(data, size));
  if (count && fuzz::open_descriptors() != before) abort();
  return 0;
}
