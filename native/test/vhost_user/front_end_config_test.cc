// SPDX-License-Identifier: Apache-2.0
// FrontEnd: what it makes of the configuration space and of the number of queue pairs that a back-end tells, honest or not.
#include <cstring>
#include <optional>

#include "test/support.h"
#include "vhost_user/front_end.h"
#include "vhost_user/message_table.h"

namespace usvhost::test {
namespace {

constexpr uint64_t kAll =
    kFrontEndFeatures | feature_bit(VIRTIO_NET_F_MQ) | feature_bit(VIRTIO_NET_F_MTU) | feature_bit(VIRTIO_NET_F_MAC);

/** What a back-end says, and what came of it. */
struct Told {
  uint64_t features = UINT64_MAX;
  uint64_t protocol = UINT64_MAX;
  uint64_t queue_num = 8;
  uint16_t max_pairs = 8;
  uint16_t mtu = 1500;
  uint64_t mac = 0x060504030202;             // 02:02:03:04:05:06
  std::optional<uint32_t> config_size = {};  // of the whole payload, where it is not that of the question
  std::optional<uint32_t> piece_size = {};   // by the payload's own word
  uint32_t piece_offset = 0;
};

struct Outcome {
  std::string code;
  uint64_t features = 0;
  uint16_t pairs = 0;
  uint16_t mtu = 0;
  uint64_t mac = 0;
  bool asked_config = false;
  uint32_t enabled = 0;

  bool has(unsigned bit) const { return (features & feature_bit(bit)) != 0; }
};

Outcome shake(const Told& told, uint16_t pairs = 4, uint64_t wanted = kAll, uint32_t largest_payload = 2030) {
  FrontEndConfig config;
  config.features = wanted;
  config.queue_pairs = pairs;
  config.largest_payload = largest_payload;
  FrontEnd front_end(config);
  Outcome outcome;
  OutgoingMessage out;
  while (front_end.next(out)) {
    outcome.enabled += out.request == Request::kSetVringEnable ? 1 : 0;
    if (!out.expects_reply) continue;
    CHECK(check_request({{static_cast<uint32_t>(out.request), kFlagVersion, out.size}, out.payload}, 0).ok() ==
          (out.request != Request::kSetMemTable));
    Message reply{{static_cast<uint32_t>(out.request), kFlagVersion | kFlagReply, 8}, {}};
    switch (out.request) {
      case Request::kGetFeatures: reply.payload.number = told.features; break;
      case Request::kGetProtocolFeatures: reply.payload.number = told.protocol; break;
      case Request::kGetQueueNum: reply.payload.number = told.queue_num; break;
      case Request::kGetConfig: {
        outcome.asked_config = true;
        virtio_net_config space{};
        space.max_virtqueue_pairs = told.max_pairs;
        space.mtu = told.mtu;
        std::memcpy(space.mac, &told.mac, sizeof space.mac);
        reply.header.size = told.config_size.value_or(out.size);
        reply.payload.config = {told.piece_offset, told.piece_size.value_or(out.payload.config.size), 0, {}};
        std::memcpy(reply.payload.config.bytes, &space, sizeof space);
        break;
      }
      default: reply.payload.number = 0;
    }
    Status status = check_reply_header(reply.header, front_end.awaited());
    if (status.ok()) status = front_end.reply(reply);
    if (!status.ok()) {
      outcome.code = status.code;
      CHECK_FALSE(front_end.done());
      return outcome;
    }
  }
  CHECK(front_end.done());
  CHECK(front_end.agreed());
  outcome.features = front_end.features();
  outcome.pairs = front_end.queue_pairs();
  outcome.mtu = front_end.mtu();
  outcome.mac = front_end.mac();
  CHECK((outcome.mtu != 0) == outcome.has(VIRTIO_NET_F_MTU));
  CHECK((outcome.mac != 0) == outcome.has(VIRTIO_NET_F_MAC));
  if (outcome.has(kVhostUserProtocolFeatures)) CHECK(outcome.enabled == 2u * outcome.pairs);
  return outcome;
}

TEST_CASE("pairs: the fewest of what is wanted, supported and in the configuration space") {
  CHECK(shake({}).pairs == 4);
  CHECK(shake({}, 8).pairs == 8);
  CHECK(shake({}, 1).pairs == 1);
  CHECK(shake({.queue_num = 3}).pairs == 3);
  CHECK(shake({.queue_num = UINT64_MAX, .max_pairs = 2}).pairs == 2);
  CHECK(shake({.queue_num = 1u << 16, .max_pairs = 0x8000}).pairs == 4);
  CHECK(shake({.queue_num = 0}).code == "USV_FEATURES");
  CHECK(shake({.max_pairs = 0}).code == "USV_MESSAGE");
  CHECK(shake({.max_pairs = 0x8001}).code == "USV_MESSAGE");
}

TEST_CASE("one pair without the feature, or without the protocol's word for it; then the field is nothing") {
  Outcome no_feature = shake({.features = ~feature_bit(VIRTIO_NET_F_MQ), .max_pairs = 0});
  CHECK(no_feature.pairs == 1);
  Outcome no_protocol = shake({.protocol = ~feature_bit(kProtocolMq), .max_pairs = 0});
  CHECK(no_protocol.pairs == 1);
  CHECK_FALSE(no_protocol.has(VIRTIO_NET_F_MQ));
  Outcome bare = shake({.features = ~feature_bit(kVhostUserProtocolFeatures)});
  CHECK(bare.pairs == 1);
  CHECK_FALSE(bare.has(VIRTIO_NET_F_MQ));
  CHECK(shake({}, 1, kAll & ~feature_bit(VIRTIO_NET_F_MQ)).pairs == 1);
}

TEST_CASE("the MTU is taken where there is one, and refused where it cannot be") {
  CHECK(shake({}).mtu == 1500);
  CHECK(shake({.mtu = 68}).mtu == 68);
  CHECK(shake({.mtu = 67}).code == "USV_MESSAGE");
  CHECK(shake({.mtu = 0}).code == "USV_MESSAGE");
  CHECK(shake({.features = ~feature_bit(VIRTIO_NET_F_MTU), .mtu = 0}).mtu == 0);
  CHECK(shake({}, 4, kAll & ~feature_bit(VIRTIO_NET_F_MTU)).mtu == 0);
}

TEST_CASE("an MTU that no receive buffer of ours takes is not accepted, unless buffers join") {
  CHECK(shake({.mtu = 2030}).mtu == 2030);
  Outcome large = shake({.mtu = 2031});
  CHECK(large.code.empty());
  CHECK(large.mtu == 0);
  CHECK(shake({.mtu = UINT16_MAX}, 4, kAll | feature_bit(VIRTIO_NET_F_MRG_RXBUF)).mtu == UINT16_MAX);
}

TEST_CASE("the address is taken where it was asked for; one that no station can have is refused") {
  CHECK(shake({}).mac == 0x060504030202);
  CHECK(shake({.mac = 0xfffffffffffe}).mac == 0xfffffffffffe);
  CHECK(shake({.mac = 0x010000000000}).mac == 0x010000000000);  // 00:00:00:00:00:01
  for (uint64_t none : {0x0ull, 0x1ull, 0xfb0000005e01ull, 0xffffffffffffull}) {
    CAPTURE(none);
    CHECK(shake({.mac = none}).code == "USV_MESSAGE");
    CHECK(shake({.features = ~feature_bit(VIRTIO_NET_F_MAC), .mac = none}).mac == 0);
    Outcome unasked = shake({.mac = none}, 4, kAll & ~feature_bit(VIRTIO_NET_F_MAC));
    CHECK(unasked.code.empty());
    CHECK(unasked.mac == 0);
  }
  CHECK(shake({}, 1, kFrontEndFeatures | feature_bit(VIRTIO_NET_F_MAC)).mac == 0x060504030202);
  CHECK(shake({.features = ~feature_bit(kVhostUserProtocolFeatures)}).mac == 0);
}

TEST_CASE("a back-end without a configuration space is not asked, one that cannot tell is used without") {
  Outcome none = shake({.protocol = ~feature_bit(kProtocolConfig)});
  CHECK_FALSE(none.asked_config);
  CHECK(none.mtu == 0);
  CHECK(none.mac == 0);
  CHECK(none.pairs == 4);
  CHECK_FALSE(shake({}, 1, kFrontEndFeatures).asked_config);
  Outcome silent = shake({.config_size = 0});
  CHECK(silent.asked_config);
  CHECK(silent.mtu == 0);
  CHECK(silent.mac == 0);
  CHECK(silent.pairs == 4);
}

TEST_CASE("answers of other sizes or of another place") {
  CHECK(shake({.config_size = 12}).code == "USV_MESSAGE");
  CHECK(shake({.config_size = sizeof(ConfigSpace)}).code == "USV_MESSAGE");
  CHECK(shake({.config_size = UINT32_MAX}).code == "USV_MESSAGE");
  CHECK(shake({.piece_size = 0}).code == "USV_MESSAGE");
  CHECK(shake({.piece_size = 11}).code == "USV_MESSAGE");
  CHECK(shake({.piece_size = UINT32_MAX}).code == "USV_MESSAGE");
  CHECK(shake({.piece_offset = 1}).code == "USV_MESSAGE");
}

TEST_CASE("a message for one receive queue while the link is up") {
  OutgoingMessage off = vring_enable(6, false);
  CHECK(off.request == Request::kSetVringEnable);
  CHECK(off.payload.state.index == 6);
  CHECK(off.payload.state.value == 0);
  CHECK(off.size == sizeof(VringState));
  CHECK_FALSE(off.expects_reply);
  CHECK(vring_enable(6, true).payload.state.value == 1);
}

}  // namespace
}  // namespace usvhost::test
