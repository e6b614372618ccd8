// SPDX-License-Identifier: Apache-2.0
// Our traffic source of `npm run bench -- switch-loop`: one process with two virtio-user ports on one CPU, a circulation between them, and
// a count of what comes back. Whatever switch it is connected to, it does the same.
//
//   loop_source CPU QUEUE_SIZE connect|listen FRAMES WARM_UP_MILLIS MILLIS FIRST_SOCKET SECOND_SOCKET
//
// FRAMES is BYTESxCOUNT for each kind with a comma between, for each direction. Prints one line of JSON when the time is over and nothing comes in
// any more, then stays connected until a signal ends it: some switches forget what a port has counted when it goes. Ends with 1 and a line on
// standard error when a link does not come up or goes down, or when nothing comes back.
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "base/cpu.h"
#include "bench/circulation.h"
#include "bench/fail.h"
#include "driver/connector.h"
#include "engines/lane.h"

namespace usvhost {
namespace {

constexpr uint32_t kUpMillis = 20'000;
constexpr uint32_t kDrainMillis = 10'000;
/** Nothing came in for so long: nothing is under way, even where the switch had to wait for a CPU. */
constexpr uint32_t kQuietMillis = 500;
/** The same when nothing is missing. */
constexpr uint32_t kWholeMillis = 20;

void wait_millis(uint32_t millis) {
  timespec left{millis / 1000, millis % 1000 * 1'000'000L};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

struct Arguments {
  int cpu;
  uint16_t queue_size;
  bool listen;
  std::vector<FrameKind> frames;
  uint32_t warm_up_millis, millis;
  std::string paths[2];
};

/** What a port has counted since it was made. */
struct Count {
  uint64_t sent = 0, received = 0;
};

class Source {
 public:
  explicit Source(const Arguments& arguments) {
    VirtioPortOptions options;
    options.queue_size = arguments.queue_size;
    options.server = arguments.listen;
    size_t rings = VirtioPort::ring_bytes(options);
    uint32_t buffers = 4u * arguments.queue_size + Circulation::buffers_of(arguments.frames);
    SegmentOptions segment;
    segment.bytes = 2 * rings + size_t{buffers} * kBufferStride;
    check(segment_.create(segment), "memory");
    pools_.push_back(std::make_unique<BufferPool>(segment_.data() + 2 * rings, buffers));
    std::vector<PortQueue*> queues;
    std::vector<VirtioPort*> ports;
    for (size_t i = 0; i < 2; i++) {
      options.name = std::to_string(i);
      options.path = arguments.paths[i];
      ports_[i] = std::make_unique<VirtioPort>(options, pools_, segment_.data() + i * rings);
      check(ports_[i]->open(), "a port");
      queues.push_back(&ports_[i]->queue(0));
      ports.push_back(ports_[i].get());
    }
    auto engine = std::make_unique<Circulation>(queues, arguments.frames);
    check(engine->open(), "frames");
    lane_ = std::make_unique<Lane>(queues, std::move(engine));
    PollThreadOptions thread{arguments.cpu, 0, "usvhost-source", PollMode::kPoll};
    thread_ = std::make_unique<LaneThread>(std::vector<Lane*>{lane_.get()}, thread);
    check(thread_->start(), "the data thread");
    connector_ = std::make_unique<Connector>(ports, segment_, ConnectorOptions{},
                                             [this](const LinkEvent& event) { on_link(event); });
    check(connector_->start(), "the connector");
  }
  ~Source() {
    connector_->stop();
    thread_->stop();
  }

  /** Until both links are up and frames have come back by both. */
  void await_frames() {
    std::unique_lock lock(mutex_);
    bool up =
        changed_.wait_for(lock, std::chrono::milliseconds(kUpMillis), [this] { return features_[0] && features_[1]; });
    if (!up) fail("links", "expected both up in time, got: " + reason_);
    for (uint32_t waited = 0; count(0).received == 0 || count(1).received == 0; waited++) {
      if (waited > kUpMillis) fail("frames", "expected some back at each port, got none");
      wait_millis(1);
    }
  }
  /** Ends the process when a link has gone down, since what was counted then means nothing. */
  void require_links() {
    std::lock_guard lock(mutex_);
    if (went_down_) fail("links", "expected both up to the end, got: " + reason_);
  }
  uint64_t features(size_t port) const { return *features_[port]; }

  Count count(size_t port) const {
    const DriverCounters& counters = ports_[port]->queue(0).counters();
    return {counters.tx_packets.load(std::memory_order_relaxed), counters.rx_packets.load(std::memory_order_relaxed)};
  }
  double metric(const char* name) const {
    for (const Metric& entry : lane_->engine().report()) {
      if (entry.name == name) return entry.value;
    }
    fail("a number", std::string("expected one named ") + name);
  }

  /** Sends nothing more, and waits until all frames have come back, or, where the switch has lost some, nothing comes any more. */
  void drain() {
    lane_->engine().set_running(false);
    uint64_t before = UINT64_MAX;
    uint32_t quiet = 0;
    for (uint32_t waited = 0; waited < kDrainMillis; waited++, quiet++) {
      Count first = count(0), second = count(1);
      // The thread may be in its last pass; what it sends there changes the sums of the next look.
      if (first.received + second.received != before) quiet = 0;
      before = first.received + second.received;
      bool whole = first.sent == second.received && second.sent == first.received;
      if (quiet >= (whole ? kWholeMillis : kQuietMillis)) return;
      wait_millis(1);
    }
    fail("the end", "expected an end of what comes in, got frames without end");
  }

 private:
  void on_link(const LinkEvent& event) {
    std::lock_guard lock(mutex_);
    size_t port = event.port == "0" ? 0 : 1;
    if (event.up) {
      features_[port] = event.features;
    } else {
      went_down_ = went_down_ || features_[port].has_value();
      reason_ = event.reason;
    }
    changed_.notify_all();
  }

  Segment segment_;
  std::vector<std::unique_ptr<BufferPool>> pools_;
  std::array<std::unique_ptr<VirtioPort>, 2> ports_;
  std::unique_ptr<Lane> lane_;
  std::unique_ptr<LaneThread> thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::optional<uint64_t>, 2> features_;  // of a link that is or has been up
  bool went_down_ = false;
  std::string reason_ = "silence";
  std::unique_ptr<Connector> connector_;
};

[[noreturn]] void run(const Arguments& arguments) {
  // The thread that waits and the connector are to cost the CPU of the switch nothing.
  if (!pin_to_cpu(arguments.cpu)) fail("CPU", "expected one that this process may use");
  Source source(arguments);
  source.await_frames();
  wait_millis(arguments.warm_up_millis);
  uint64_t start = monotonic_nanos();
  uint64_t from = source.count(0).received + source.count(1).received;
  double busy_from = source.metric("busy_nanos"), all_from = source.metric("nanos");
  wait_millis(arguments.millis);
  uint64_t nanos = monotonic_nanos() - start;
  uint64_t came = source.count(0).received + source.count(1).received - from;
  double busy = (source.metric("busy_nanos") - busy_from) / (source.metric("nanos") - all_from);
  source.drain();
  source.require_links();
  std::printf("{\"received\":%" PRIu64 ",\"nanos\":%" PRIu64
              ",\"busy\":%.4f,\"remade\":%.0f,\"strays\":%.0f,\"ports\":[",
              came, nanos, busy, source.metric("remade"), source.metric("strays"));
  for (size_t i = 0; i < 2; i++) {
    Count count = source.count(i);
    std::printf("%s{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"features\":\"%" PRIx64 "\"}", i == 0 ? "" : ",",
                count.sent, count.received, source.features(i));
  }
  std::printf("]}\n");
  std::fflush(stdout);
  while (true) pause();
}

uint32_t number(const char* text, uint32_t most) {
  char* end;
  uint64_t value = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value > most) {
    fail("arguments", std::string("expected a number up to ") + std::to_string(most) + ", got " + text);
  }
  return static_cast<uint32_t>(value);
}

std::vector<FrameKind> frames_of(std::string text) {
  std::vector<FrameKind> kinds;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(',', at), text.size());
    std::string part = text.substr(at, end - at);
    size_t cross = part.find('x');
    if (cross == std::string::npos) fail("arguments", "expected BYTESxCOUNT, got " + part);
    kinds.push_back({number(part.substr(0, cross).c_str(), UINT16_MAX),
                     number(part.substr(cross + 1).c_str(), Circulation::kMaxFrames)});
    at = end + 1;
  }
  return kinds;
}

}  // namespace
}  // namespace usvhost

int main(int count, char** arguments) {
  if (count != 9) {
    std::fprintf(
        stderr,
        "usage: loop_source CPU QUEUE_SIZE connect|listen FRAMES WARM_UP_MILLIS MILLIS FIRST_SOCKET SECOND_SOCKET\n");
    return 2;
  }
  using usvhost::number;
  uint32_t queue_size = number(arguments[2], usvhost::kMaxQueueSize);
  if (queue_size < 2 || !usvhost::valid_split_size(queue_size)) {
    usvhost::fail("arguments", std::string("expected a power of two from 2 for QUEUE_SIZE, got ") + arguments[2]);
  }
  std::string role = arguments[3];
  if (role != "connect" && role != "listen") usvhost::fail("arguments", "expected connect or listen, got " + role);
  usvhost::run({static_cast<int>(number(arguments[1], 4095)),
                static_cast<uint16_t>(queue_size),
                role == "listen",
                usvhost::frames_of(arguments[4]),
                number(arguments[5], 3'600'000),
                number(arguments[6], 3'600'000),
                {arguments[7], arguments[8]}});
}
