// SPDX-License-Identifier: Apache-2.0
// What several tests share: a temporary directory, a bounded wait for a condition, counts of what a process holds, a
// switch with dataplanes around it. Nothing here sleeps to let something happen.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>

#include "engines/dataplane.h"
#include "switch/switch.h"

namespace usvhost::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char pattern[] = "/tmp/usvhost-test-XXXXXX";
    path_ = mkdtemp(pattern);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/** Looks at a condition of another thread's making until it holds or a minute has passed, which only a failure takes. */
template <class Condition>
bool eventually(Condition condition) {
  uint64_t end = monotonic_nanos() + 60'000'000'000ull;
  while (monotonic_nanos() < end) {
    if (condition()) return true;
    sched_yield();
  }
  return condition();
}

/** Entries of a directory of /proc/self: "fd" for open descriptors, "task" for threads. */
inline size_t process_count(const char* what) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(std::string("/proc/self/") + what))
    count++;
  return count;
}
inline size_t open_descriptors() { return process_count("fd"); }
inline size_t running_threads() { return process_count("task"); }
/** Whether no more than `before` threads are left; the kernel lists a thread for a moment after it was joined. */
inline bool threads_ended(size_t before) {
  return eventually([before] { return running_threads() <= before; });
}

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = kThreadSanitizer;
#endif

inline double metric(const std::vector<Metric>& metrics, const std::string& name) {
  for (const Metric& entry : metrics) {
    if (entry.name == name) return entry.value;
  }
  FAIL("no metric named ", name);
  return 0;
}

inline MacAddress mac(uint8_t last) { return MacAddress{0x02} | MacAddress{last} << 40; }

/** A running switch in a directory of its own. */
class SwitchFixture {
 public:
  explicit SwitchFixture(SwitchOptions options = {}) {
    options.stats_file = directory_ / "stats";
    switch_ = std::make_unique<Switch>(std::move(options), [this](PortEvent event) {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    });
    Status status = switch_->start();
    REQUIRE_MESSAGE(status.ok(), status.describe());
  }

  std::string add_port(const std::string& name, std::optional<MacAddress> address = {}, uint32_t mtu = 1500,
                       const std::string& network = "") {
    PortOptions options;
    options.name = name;
    options.network = network;
    options.mtu = mtu;
    options.socket.path = socket(name);
    options.mac = address;
    Status status = switch_->add_port(options);
    REQUIRE_MESSAGE(status.ok(), status.describe());
    return options.socket.path;
  }
  /** A port whose pod listens. */
  std::string add_connecting_port(const std::string& name) {
    PortOptions options;
    options.name = name;
    options.socket.path = socket(name);
    options.connect = true;
    Status status = switch_->add_port(options);
    REQUIRE_MESSAGE(status.ok(), status.describe());
    return options.socket.path;
  }
  std::string socket(const std::string& name) const { return directory_ / (name + ".sock"); }

  PortStatus port(const std::string& name) {
    for (PortStatus& status : switch_->ports()) {
      if (status.name == name) return status;
    }
    FAIL("no port named ", name);
    return {};
  }
  uint64_t counter(const std::string& name, Counter which) { return port(name).counters.get(which); }
  bool in_state(const std::string& name, PortState state) { return port(name).state == state; }
  /** Whether an event of `name` has been sent whose reason contains `text`. */
  bool told(const std::string& name, const std::string& text) { return times_told(name, text) != 0; }
  size_t times_told(const std::string& name, const std::string& text) {
    std::lock_guard lock(mutex_);
    size_t count = 0;
    for (const PortEvent& event : events_) {
      count += event.port == name && event.reason.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  Switch& operator*() { return *switch_; }
  Switch* operator->() { return switch_.get(); }

 private:
  TemporaryDirectory directory_;
  std::mutex mutex_;
  std::vector<PortEvent> events_;
  std::unique_ptr<Switch> switch_;
};

inline std::unique_ptr<Dataplane> start_dataplane(const std::string& path, EngineOptions engine,
                                                  uint16_t queue_size = 256, bool server = false) {
  DataplaneOptions options;
  options.ports.push_back({"p0", path, queue_size, server});
  options.engine = std::move(engine);
  options.idle_micros = 20;
  auto dataplane = std::make_unique<Dataplane>(options, [](LinkEvent) {});
  Status status = dataplane->start();
  REQUIRE_MESSAGE(status.ok(), status.describe());
  return dataplane;
}

}  // namespace usvhost::test
