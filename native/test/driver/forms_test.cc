// SPDX-License-Identifier: Apache-2.0
// Our driver at our switch in every form of ring: what both agreed on, and that every byte of what comes back is right.
#include "test/support.h"

namespace usvhost::test {
namespace {

struct Form {
  const char* name;
  bool packed, in_order, mergeable, indirect, event_index;
  uint16_t queue_size = 64;

  VirtioPortOptions port(const std::string& path) const {
    return {"p0", path, queue_size, false, packed, in_order, mergeable, indirect, event_index};
  }
  uint64_t bits() const {
    auto bit = [](bool wanted, unsigned number) { return wanted ? feature_bit(number) : 0; };
    return bit(packed, VIRTIO_F_RING_PACKED) | bit(in_order, VIRTIO_F_IN_ORDER) |
           bit(mergeable, VIRTIO_NET_F_MRG_RXBUF) | bit(indirect, VIRTIO_RING_F_INDIRECT_DESC) |
           bit(event_index, VIRTIO_RING_F_EVENT_IDX);
  }
};

constexpr Form kForms[] = {
    {"split", false, false, false, false, false},
    {"split in order", false, true, false, false, false},
    {"split in order mergeable indirect", false, true, true, true, false},
    {"split mergeable", false, false, true, false, false},
    {"split event index", false, false, false, false, true},
    {"packed", true, false, false, false, false},
    {"packed in order", true, true, false, false, false},
    {"packed mergeable", true, false, true, false, false},
    {"packed in order mergeable indirect", true, true, true, true, false},
    {"packed event index", true, true, true, true, true},
    {"packed of 255", true, false, true, true, false, 255},
    {"packed of 7", true, true, true, true, true, 7},
};

std::unique_ptr<Dataplane> start(const Form& form, const std::string& path, EngineOptions engine) {
  DataplaneOptions options;
  options.ports.push_back(form.port(path));
  options.engine = std::move(engine);
  options.idle_micros = 20;
  auto dataplane = std::make_unique<Dataplane>(options, [](LinkEvent) {});
  Status status = dataplane->start();
  REQUIRE_MESSAGE(status.ok(), status.describe());
  return dataplane;
}

void exchange(const Form& sender, const Form& echoing, uint32_t size) {
  CAPTURE(sender.name);
  CAPTURE(echoing.name);
  CAPTURE(size);
  SwitchFixture fixture;
  fixture.add_port("a", mac(1), 9000);
  fixture.add_port("b", mac(2), 9000);
  auto echo = start(echoing, fixture.socket("b"), L2fwdOptions{});
  TrafficOptions traffic;
  traffic.transmit = true;
  traffic.verify = true;
  traffic.size = size;
  traffic.source_mac = mac(1);
  traffic.destination_mac = mac(2);
  traffic.running = false;
  auto source = start(sender, fixture.socket("a"), traffic);
  REQUIRE(eventually([&] { return fixture.in_state("a", PortState::kUp) && fixture.in_state("b", PortState::kUp); }));
  CHECK((fixture.port("a").features & (sender.bits() | feature_bit(VIRTIO_F_RING_PACKED))) == sender.bits());
  CHECK((fixture.port("b").features & (echoing.bits() | feature_bit(VIRTIO_F_RING_PACKED))) == echoing.bits());
  source->set_running(true);
  CHECK(eventually([&] { return metric(source->report().engine, "received") >= 300; }));
  source->set_running(false);
  CHECK(metric(source->report().engine, "corrupted") == 0);
  CHECK(metric(source->report().engine, "foreign") == 0);
  for (const auto& dataplane : {&source, &echo}) {
    DataplaneReport report = (*dataplane)->report();
    CHECK(metric(report.ports[0].counters, "rx_drop_length") == 0);
    CHECK(metric(report.ports[0].counters, "rx_drop_buffers") == 0);
  }
}

TEST_CASE("every form of ring at our own switch: frames come back whole") {
  for (const Form& form : kForms) {
    for (uint32_t size : {60u, 1514u}) exchange(form, form, size);
    if (form.mergeable) exchange(form, form, form.queue_size < 8 ? 4000u : 9000u);
  }
}

TEST_CASE("a split port and a packed one meet at the switch, in either direction") {
  exchange(kForms[1], kForms[6], 512);
  exchange(kForms[8], kForms[2], 9000);
}

TEST_CASE("rings whose size only packed ones can have need a back-end that takes them") {
  DataplaneOptions options;
  options.ports.push_back(Form{"", false, true, false, true, false, 255}.port("/nowhere"));
  options.engine = TrafficOptions{};
  Dataplane dataplane(options, [](LinkEvent) {});
  CHECK(std::string(dataplane.start().code) == "USV_CONFIG");
}

}  // namespace
}  // namespace usvhost::test
