// SPDX-License-Identifier: Apache-2.0
// Bytes become a back-end: what our driver asks goes over a real socket pair, and answers come back that are right, nearly
// right, early, cut or nonsense. Whatever they say, the handshake ends by the rules, keeps no descriptor of the back-end's, and
// never says that it is done when something was refused. Once it is done the driver takes leave, and stops each ring once.
#include <memory>
#include <optional>

#include "fuzz/connection.h"
#include "vhost_user/front_end.h"
#include "vhost_user/message_table.h"
#include "vhost_user/stream.h"
#include "virtio/station_address.h"

namespace usvhost::fuzz {
namespace {

class BackEndProcess {
 public:
  BackEndProcess(Input input, const Connection& connection) : input_(input), connection_(connection) {
    FrontEndConfig config;
    config.features |= feature_bit(VIRTIO_NET_F_MQ) | feature_bit(VIRTIO_NET_F_MTU) | feature_bit(VIRTIO_NET_F_MAC) |
                       feature_bit(VIRTIO_NET_F_MRG_RXBUF);
    config.queue_pairs = kMaxQueuePairs;
    config.largest_payload = 2030;
    config.memory_fd = connection.event();  // never mapped here
    for (FrontEndQueue& queue : config.queues) queue.kick_fd = queue.call_fd = connection.event();
    front_end_.emplace(config);
    stream_.emplace(connection.theirs(),
                    [this](const MessageHeader& header) { return check_reply_header(header, front_end_->awaited()); });
  }

  void run() {
    while (ask()) {
      // Nearly always; or else it hears something that nobody asked for.
      if (front_end_->done() && (input_.empty() || input_.byte() % 8 != 7)) {
        leave();
        continue;
      }
      // A farewell is answered to its end, by zeroes when the input is used up.
      if (input_.empty() && !(leaving_ && front_end_->waiting())) return;
      answer();
      if (!take_answers()) return;
    }
  }

 private:
  void leave() {
    front_end_->leave();
    leaving_ = true;
  }
  /** All requests up to the next one that waits; false when they cannot be sent. */
  bool ask() {
    OutgoingMessage out;
    while (front_end_->next(out)) {
      expect(check_request_header({static_cast<uint32_t>(out.request), kFlagVersion | out.flags, out.size}).ok());
      if (!stream_->send(out.request, out.flags, &out.payload, out.size, out.fds, out.fd_count).ok()) return false;
      if (leaving_) {
        // Every ring is stopped, in order, before anything else is said.
        expect((out.request == Request::kGetVringBase) == (stopped_ < 2 * front_end_->queue_pairs()));
        if (out.request == Request::kGetVringBase) expect(out.payload.state.index == stopped_++);
      }
      last_ = out;
      unread_++;
    }
    bool left = front_end_->left();
    expect(leaving_ ? !front_end_->done() : !left);
    expect((front_end_->done() || left) != front_end_->waiting());
    if (left) expect(stopped_ == 2 * front_end_->queue_pairs());
    // Nobody reads what was asked; it must only not fill the socket.
    if (unread_ >= 64) {
      connection_.drain();
      unread_ = 0;
    }
    return true;
  }
  void answer() {
    Message reply{{static_cast<uint32_t>(last_.request), kFlagVersion | kFlagReply, 8}, {}};
    const MessageRow* row = find_message(reply.header.request);
    if (row != nullptr && row->replies)
      reply.header.size = row->reply_size != kAsRequest ? row->reply_size : last_.size;
    uint8_t how = input_.byte();
    switch (last_.request) {
      case Request::kGetFeatures: reply.payload.number = how % 4 != 0 ? ~uint64_t{0} : input_.number<uint64_t>(); break;
      case Request::kGetProtocolFeatures:
        reply.payload.number = how % 4 != 0 ? ~uint64_t{input_.byte()} : input_.number<uint64_t>();
        break;
      case Request::kGetQueueNum: reply.payload.number = how % 4 != 0 ? how % 16 : input_.number<uint64_t>(); break;
      case Request::kGetConfig: tell_config(reply, how); break;
      case Request::kGetVringBase:
        reply.payload.state = {how % 8 != 0 || input_.empty() ? last_.payload.state.index : input_.number<uint32_t>(),
                               input_.number<uint32_t>()};
        break;
      default: reply.payload.number = how % 8 != 0 ? 0 : input_.number<uint64_t>();
    }
    bool whole = how < 224 && !stream_->inside_message();
    refused_ = refused_ || (whole && row != nullptr && !row->replies && reply.payload.number != 0);
    if (how >= 240) input_.bytes(reinterpret_cast<uint8_t*>(&reply.header), sizeof reply.header);
    uint8_t bytes[sizeof reply.header + sizeof reply.payload];
    memcpy(bytes, &reply.header, sizeof reply.header);
    memcpy(bytes + sizeof reply.header, &reply.payload, sizeof reply.payload);
    size_t length = sizeof reply.header + std::min<size_t>(reply.header.size, sizeof reply.payload);
    if (how >= 224 && how < 240) length = std::min<size_t>(length, input_.byte());
    // With descriptors that no answer may carry.
    connection_.send(bytes, length, connection_.event(), how % 16 == 9 ? input_.byte() % 9 : 0);
  }
  void tell_config(Message& reply, uint8_t how) {
    virtio_net_config space{};
    space.max_virtqueue_pairs = how % 4 != 0 ? how % 16 : input_.number<uint16_t>();
    space.mtu = how % 4 != 1 ? 1500 : input_.number<uint16_t>();
    space.mac[0] = 2;
    if (how % 16 == 6) input_.bytes(space.mac, sizeof space.mac);
    reply.payload.config = {0, last_.payload.config.size, 0, {}};
    if (how % 16 == 2) reply.payload.config.offset = input_.number<uint32_t>();
    if (how % 16 == 3) reply.payload.config.size = input_.number<uint32_t>();
    if (how % 16 == 5) reply.header.size = 0;
    memcpy(reply.payload.config.bytes, &space, sizeof space);
  }
  /** The connector's half; false when it would close the connection. */
  bool take_answers() {
    while (stream_->receive() == MessageStream::Progress::kMessage) {
      bool waited = front_end_->waiting();
      Status status = front_end_->reply(stream_->message());
      expect(waited || !status.ok());
      if (!status.ok()) return false;
      expect(!refused_);
    }
    if (front_end_->done()) {
      uint64_t features = front_end_->features();
      expect((features & kRequiredFeatures) == kRequiredFeatures);
      uint16_t pairs = front_end_->queue_pairs();
      expect(pairs >= 1 && pairs <= ((features & feature_bit(VIRTIO_NET_F_MQ)) != 0 ? kMaxQueuePairs : 1));
      bool has_mtu = (features & feature_bit(VIRTIO_NET_F_MTU)) != 0;
      expect(has_mtu ? front_end_->mtu() >= 68 : front_end_->mtu() == 0);
      expect(front_end_->mtu() <= 2030 || (features & feature_bit(VIRTIO_NET_F_MRG_RXBUF)) != 0);
      bool has_mac = (features & feature_bit(VIRTIO_NET_F_MAC)) != 0;
      expect(has_mac ? valid_station_address(front_end_->mac()) : front_end_->mac() == 0);
    }
    return stream_->status().ok();
  }

  Input input_;
  const Connection& connection_;
  std::optional<FrontEnd> front_end_;
  std::optional<MessageStream> stream_;
  OutgoingMessage last_;
  bool leaving_ = false;
  uint32_t stopped_ = 0;  // rings whose stop has been asked for
  uint32_t unread_ = 0;   // requests that lie in the socket
  bool refused_ = false;  // an acknowledgement that was no zero has been sent whole
};

}  // namespace
}  // namespace usvhost::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace usvhost;
  static const fuzz::Connection connection;
  fuzz::leave_no_descriptor([&] {
    std::make_unique<fuzz::BackEndProcess>(fuzz::Input(data, size), connection)->run();
    connection.reset();
  });
  return 0;
}
