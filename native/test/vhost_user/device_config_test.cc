// SPDX-License-Identifier: Apache-2.0
// What a front-end can read about its device, and that it can write nothing of it.
#include "vhost_user/device_config.h"

#include "test/vhost_user/session.h"

namespace usvhost::test {
namespace {

TEST_CASE("the configuration space: address and MTU of the port, and zeroes behind the fields") {
  Session session({0x060504030201, 9000});
  CHECK((session.back_end.offered() & feature_bit(VIRTIO_NET_F_MAC)) != 0);
  session.negotiate();
  REQUIRE(session.config(0, 256) == "ok");
  CHECK(session.reply.size == 268);
  const ConfigSpace& space = session.reply.payload.config;
  CHECK(space.offset == 0);
  CHECK(space.size == 256);
  virtio_net_config config;
  memcpy(&config, space.bytes, sizeof config);
  for (uint8_t i = 0; i < 6; i++) CHECK(config.mac[i] == i + 1);
  CHECK(uint16_t{config.status} == VIRTIO_NET_S_LINK_UP);
  CHECK(uint16_t{config.max_virtqueue_pairs} == kMaxQueuePairs);
  CHECK(uint16_t{config.mtu} == 9000);
  for (size_t i = sizeof config; i < 256; i++) CHECK(space.bytes[i] == 0);
  REQUIRE(session.config(offsetof(virtio_net_config, mtu), 2) == "ok");
  CHECK(session.reply.size == 14);
  CHECK(session.reply.payload.config.offset == 10);
  CHECK((session.reply.payload.config.bytes[0] | session.reply.payload.config.bytes[1] << 8) == 9000);
  Session bare;
  CHECK((bare.back_end.offered() & feature_bit(VIRTIO_NET_F_MAC)) == 0);
}

TEST_CASE("the configuration space cannot be written, only restored as it is") {
  Session session({0x060504030201, 1500});
  session.negotiate();
  ConfigSpace same{0, 6, 1, {1, 2, 3, 4, 5, 6}};
  CHECK(session.say(Request::kSetConfig, &same, 18, {}, kFlagNeedReply) == "ok");
  CHECK(session.reply.payload.number == 0);
  ConfigSpace other{0, 6, 0, {1, 2, 3, 4, 5, 7}};
  CHECK(session.say(Request::kSetConfig, &other, 18, {}, kFlagNeedReply) == "USV_MESSAGE");
  CHECK(session.reply.payload.number == 1);
}

TEST_CASE("the MTU of the pod may not be larger than that of the port") {
  Session session({{}, 1500});
  session.negotiate();
  CHECK(session.number(Request::kNetSetMtu, 1500) == "ok");
  CHECK(session.number(Request::kNetSetMtu, 68) == "ok");
  CHECK(session.number(Request::kNetSetMtu, 1501, {}, kFlagNeedReply) == "USV_MESSAGE");
  CHECK(session.reply.payload.number == 1);
}

}  // namespace
}  // namespace usvhost::test
