// SPDX-License-Identifier: Apache-2.0
// Bytes become a front-end: messages with descriptors over a real socket pair into Connection's own parts, between them
// writes into the shared memory and passes of the forwarder. Whatever it says, nothing may be read or written outside its
// memory, no descriptor may stay, and the data path may run only between resume() and pause().
#include <sys/mman.h>

#include <memory>
#include <optional>

#include "fuzz/connection.h"
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

/** What a switch has beside its port, for all runs. */
struct Rest {
  Rest() : network(64, 300, 4), table(4), forwarder(table), file(memfd_create("fuzz", MFD_CLOEXEC)) {
    table.set_end(1);
    expect(ftruncate(file.get(), kMemory) == 0);
  }
  /** As new: no address, memory of the right size and without a byte in it. */
  void reset() {
    network.macs.remove_port(0);
    connection.reset();
    if (!std::exchange(touched, false)) return;
    expect(ftruncate(file.get(), 0) == 0 && ftruncate(file.get(), kMemory) == 0);
  }
  Network network;
  PortTable table;
  Forwarder forwarder;
  Connection connection;
  Fd file;               // the memory that the front-end shares
  bool touched = false;  // somebody may have written to it
};

/** A port and its data path, as the switch would run them, without threads. */
class Port final : public BackEndListener {
 public:
  explicit Port(Rest& rest) : table_(rest.table), forwarder_(rest.forwarder), back_end_(*this) {
    runtime_.network = &rest.network;
    runtime_.counters = &counters_;
    runtime_.max_frame = 1518;
  }
  ~Port() override { table_.withdraw(0); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
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

 private:
  CounterBlock counters_{};
  PortTable& table_;
  Forwarder& forwarder_;
  PortRuntime runtime_;
  bool paused_ = false;
  BackEnd back_end_;
};

class FrontEndProcess {
 public:
  explicit FrontEndProcess(Rest& rest) : rest_(rest), port_(rest) {
    stream_.emplace(rest.connection.theirs(), check_request_header);
  }

  void run(Input input) {
    while (!input.empty()) {
      switch (input.byte() % 8) {
        case 0: write_memory(input); break;
        case 1:
          if (!port_.forward()) return;
          break;
        case 2:
          send_raw(input);
          if (!serve()) return;
          break;
        case 3: truncate(input); break;
        default:
          send_message(input);
          if (!serve()) return;
      }
    }
  }

 private:
  void truncate(Input& input) {
    if (input.byte() % 4 != 0) return;
    rest_.touched = true;
    expect(ftruncate(rest_.file.get(), input.byte() * 256) == 0);
  }
  void write_memory(Input& input) {
    // Not through our own mapping: the file may have been truncated.
    size_t offset = input.number<uint16_t>() % kMemory;
    uint8_t bytes[32];
    size_t length = input.bytes(bytes, 1 + input.byte() % sizeof bytes);
    length = std::min(length, kMemory - offset);
    rest_.touched = true;
    [[maybe_unused]] ssize_t written = pwrite(rest_.file.get(), bytes, length, static_cast<off_t>(offset));
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
    const bool of_memory = (what & 0x80) != 0;
    rest_.touched = rest_.touched || of_memory;
    rest_.connection.send(bytes, length, of_memory ? rest_.file.get() : rest_.connection.event(), what & 0xf);
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
        if (queue.active()) expect(queue.kick && queue.size != 0 && port_.back_end().memory().count() != 0);
      }
    }
    return stream_->status().ok();
  }

  Rest& rest_;
  Port port_;
  std::optional<MessageStream> stream_;
};

}  // namespace
}  // namespace usvhost::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace usvhost;
  if (!FaultGuard::install().ok()) abort();
  static fuzz::Rest rest;
  fuzz::leave_no_descriptor([&] {
    std::make_unique<fuzz::FrontEndProcess>(rest)->run(fuzz::Input(data, size));
    rest.reset();
  });
  return 0;
}
