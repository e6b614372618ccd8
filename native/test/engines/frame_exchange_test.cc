// SPDX-License-Identifier: Apache-2.0
// The exchange between a data thread and a handler: order, its limits, wake-ups that are not lost, and two real threads.
#include "engines/frame_exchange.h"

#include <sys/poll.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "test/support.h"

namespace usvhost::test {
namespace {

bool readable(int fd) {
  pollfd look{fd, POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

TEST_CASE("exchange: bursts come back in order, sixteen at a time, and no more are free") {
  FrameExchange exchange;
  REQUIRE(exchange.open().ok());
  uint32_t burst = 0;
  bool failed = false;
  CHECK(exchange.take() == -1);
  for (uint32_t round = 0; round < 5; round++) {
    for (uint32_t i = 0; i < FrameExchange::kBursts; i++) {
      REQUIRE(exchange.claim(burst));
      exchange.words(burst).count = round * 100 + i;
      exchange.publish();
      CHECK(exchange.in_hand() == i + 1);
    }
    CHECK_FALSE(exchange.claim(burst));
    CHECK_FALSE(exchange.decided(burst, failed));
    for (uint32_t i = 0; i < FrameExchange::kBursts; i++) {
      int32_t taken = exchange.take();
      REQUIRE(taken >= 0);
      CHECK(exchange.take() == taken);  // until it is given back
      CHECK(exchange.words(static_cast<uint32_t>(taken)).count == round * 100 + i);
      exchange.give(i % 3 == 0);
    }
    // Decided is not free: its frames are still to be sent.
    CHECK_FALSE(exchange.claim(burst));
    for (uint32_t i = 0; i < FrameExchange::kBursts; i++) {
      REQUIRE(exchange.decided(burst, failed));
      CHECK(exchange.words(burst).count == round * 100 + i);
      CHECK(failed == (i % 3 == 0));
      exchange.release();
      CHECK(exchange.claim(burst));
    }
    CHECK_FALSE(exchange.decided(burst, failed));
  }
  CHECK(exchange.bursts_given() == 80);
}

TEST_CASE("exchange: memory for all bursts, empty, no frame in another one's place") {
  FrameExchange exchange;
  REQUIRE(exchange.open().ok());
  CHECK(std::count(exchange.memory(), exchange.memory() + FrameExchange::kBytes, 0) == FrameExchange::kBytes);
  uint8_t* end = exchange.memory() + FrameExchange::kFramesOffset;
  CHECK(reinterpret_cast<uint8_t*>(&exchange.words(FrameExchange::kBursts)) == end);
  for (uint32_t burst = 0; burst < FrameExchange::kBursts; burst++) {
    for (uint32_t i = 0; i < FrameExchange::kFrames; i++) {
      CHECK(exchange.frame(burst, i) >= end);
      end = exchange.frame(burst, i) + kPayloadCapacity;
    }
  }
  CHECK(end <= exchange.memory() + FrameExchange::kBytes);
}

TEST_CASE("exchange: what was not taken cannot be given") {
  FrameExchange exchange;
  REQUIRE(exchange.open().ok());
  uint32_t burst;
  bool failed;
  exchange.give(false);
  CHECK_FALSE(exchange.decided(burst, failed));
  CHECK(exchange.bursts_given() == 0);
}

TEST_CASE("exchange: a consumer is told once, and only when it has found nothing; the data thread likewise") {
  FrameExchange exchange;
  REQUIRE(exchange.open().ok());
  int told = 0;
  REQUIRE(exchange.attach([&] { told++; }));
  CHECK_FALSE(exchange.attach([] {}));
  exchange.publish();
  CHECK(told == 0);  // it has not looked yet
  CHECK(exchange.take() == 0);
  exchange.give(false);
  CHECK(exchange.take() == -1);
  exchange.publish();
  exchange.publish();
  CHECK(told == 1);
  CHECK(exchange.take() == 1);

  CHECK_FALSE(readable(exchange.event_fd()));
  exchange.give(false);
  CHECK_FALSE(readable(exchange.event_fd()));
  exchange.want_wake();
  exchange.refuse_wake();
  exchange.give(false);
  CHECK_FALSE(readable(exchange.event_fd()));
  exchange.publish();
  exchange.want_wake();
  exchange.give(true);
  CHECK(readable(exchange.event_fd()));

  CHECK(exchange.take() == -1);
  exchange.detach();
  exchange.publish();
  CHECK(told == 1);
  CHECK(exchange.attach([&] { told++; }));
}

/** A consumer that sleeps until it is told, as a worker's event loop does. */
class SleepingConsumer {
 public:
  explicit SleepingConsumer(FrameExchange& exchange) : exchange_(exchange) {
    REQUIRE(exchange_.attach([this] {
      std::lock_guard lock(mutex_);
      woken_ = true;
      condition_.notify_one();
    }));
    thread_ = std::thread([this] { run(); });
  }
  ~SleepingConsumer() {
    exchange_.detach();
    {
      std::lock_guard lock(mutex_);
      stopping_ = woken_ = true;
      condition_.notify_one();
    }
    thread_.join();
  }

 private:
  void run() {
    for (;;) {
      for (int32_t burst = exchange_.take(); burst >= 0; burst = exchange_.take()) {
        FrameExchange::Words& words = exchange_.words(static_cast<uint32_t>(burst));
        for (uint32_t i = 0; i < words.count; i++) {
          uint8_t* frame = exchange_.frame(static_cast<uint32_t>(burst), i);
          words.verdict[i] = frame[0] & 1;
          frame[1] = static_cast<uint8_t>(~frame[0]);
        }
        exchange_.give(words.count % 5 == 0);
      }
      std::unique_lock lock(mutex_);
      condition_.wait(lock, [this] { return woken_; });
      woken_ = false;
      if (stopping_) return;
    }
  }

  FrameExchange& exchange_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false, stopping_ = false;
  std::thread thread_;
};

TEST_CASE("exchange: two threads that both sleep when there is nothing lose no burst and no decision") {
  constexpr uint32_t kTotal = kSanitized ? 4000 : 40'000;
  FrameExchange exchange;
  REQUIRE(exchange.open().ok());
  SleepingConsumer consumer(exchange);
  uint32_t published = 0, returned = 0, sleeps = 0;
  while (returned < kTotal) {
    uint32_t burst;
    bool failed, moved = false;
    while (exchange.decided(burst, failed)) {
      const FrameExchange::Words& words = exchange.words(burst);
      REQUIRE(failed == (words.count % 5 == 0));
      REQUIRE(words.count == returned % FrameExchange::kFrames + 1);
      for (uint32_t i = 0; i < words.count; i++) {
        uint8_t expected = static_cast<uint8_t>(returned + i);
        REQUIRE(words.verdict[i] == (expected & 1));
        REQUIRE(exchange.frame(burst, i)[1] == static_cast<uint8_t>(~expected));
      }
      exchange.release();
      returned++;
      moved = true;
    }
    // Now and then all bursts are used up, now and then only one.
    if (published < kTotal && exchange.claim(burst) && (published % 64 < 32 || published == returned)) {
      FrameExchange::Words& words = exchange.words(burst);
      words.count = published % FrameExchange::kFrames + 1;
      for (uint32_t i = 0; i < words.count; i++) exchange.frame(burst, i)[0] = static_cast<uint8_t>(published + i);
      exchange.publish();
      published++;
      moved = true;
    }
    if (moved) continue;
    exchange.want_wake();
    if (exchange.decided(burst, failed)) continue;
    pollfd look{exchange.event_fd(), POLLIN, 0};
    REQUIRE(::poll(&look, 1, 60'000) == 1);
    uint64_t drained;
    REQUIRE(::read(exchange.event_fd(), &drained, sizeof drained) == sizeof drained);
    sleeps++;
  }
  CHECK(sleeps > 0);
}

}  // namespace
}  // namespace usvhost::test
