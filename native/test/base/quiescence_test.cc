// SPDX-License-Identifier: Apache-2.0
// Epoch: what has been unpublished is never seen after wait_until_quiescent() has returned.
#include "base/quiescence.h"

#include <thread>

#include "test/support.h"

namespace usvhost::test {
namespace {

TEST_CASE("waiting for a thread that is outside returns at once") {
  Epoch epoch;
  epoch.wait_until_quiescent();
  epoch.enter();
  epoch.leave();
  epoch.wait_until_quiescent();
}

TEST_CASE("waiting for a thread that is inside lasts until it leaves, and not until it is idle") {
  Epoch epoch;
  std::atomic<bool> inside{false}, asked{false}, let_go{false}, waited{false}, noticed{false};
  std::thread data([&] {
    epoch.enter();
    inside = true;
    while (!let_go) sched_yield();
    epoch.leave();
    epoch.enter();  // inside again: the waiter must have noticed the moment between
    noticed = eventually([&] { return waited.load(); });
    epoch.leave();
  });
  REQUIRE(eventually([&] { return inside.load(); }));
  std::thread control([&] {
    asked = true;
    epoch.wait_until_quiescent();
    CHECK(let_go.load());
    waited = true;
  });
  // A waiter that came only after the moment between would rightly wait for the next one.
  REQUIRE(eventually([&] { return asked.load(); }));
  for (int i = 0; i < 1000; i++) {
    CHECK_FALSE(waited.load());
    sched_yield();
  }
  let_go = true;
  control.join();
  data.join();
  CHECK(noticed);
}

TEST_CASE("an object that was unpublished is not used after the wait") {
  struct Object {
    std::atomic<bool> alive{true};
  };
  constexpr int kRounds = kSanitized ? 1000 : 5000;
  Epoch epoch;
  std::atomic<Object*> published{nullptr};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> uses{0}, dead{0};
  std::thread data([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      epoch.enter();
      if (Object* object = published.load(std::memory_order_seq_cst)) {
        for (int i = 0; i < 4; i++) dead += object->alive.load(std::memory_order_relaxed) ? 0 : 1;
        uses++;
      }
      epoch.leave();
    }
  });
  for (int i = 0; i < kRounds; i++) {
    auto object = std::make_unique<Object>();
    uint64_t before = uses;
    published.store(object.get(), std::memory_order_seq_cst);
    // Every eighth object is really used; the others race with their own withdrawal.
    if (i % 8 == 0) REQUIRE(eventually([&] { return uses > before; }));
    published.store(nullptr, std::memory_order_seq_cst);
    epoch.wait_until_quiescent();
    object->alive.store(false, std::memory_order_relaxed);
  }
  stop = true;
  data.join();
  CHECK(dead == 0);
  CHECK(uses >= kRounds / 8);
}

}  // namespace
}  // namespace usvhost::test
