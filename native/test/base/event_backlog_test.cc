// SPDX-License-Identifier: Apache-2.0
#include "base/event_backlog.h"

#include <doctest/doctest.h>

#include <vector>

namespace usvhost {
namespace {

struct Told {
  std::string port;
  int serial;
};
using Backlog = EventBacklog<Told>;

std::vector<int> serials(Backlog& backlog) {
  std::vector<int> all;
  while (std::optional<Told> told = backlog.pop()) all.push_back(told->serial);
  return all;
}

TEST_CASE("events come out in the order in which they went in, each with a call") {
  Backlog backlog;
  CHECK(backlog.push({"a", 1}));
  CHECK(backlog.push({"b", 2}));
  CHECK(backlog.push({"a", 3}));
  CHECK(serials(backlog) == std::vector<int>{1, 2, 3});
  CHECK_FALSE(backlog.pop().has_value());
}

TEST_CASE("a port that tells more than anybody reads has a bounded place, and its last word is there") {
  Backlog backlog;
  constexpr int kMany = 100'000;
  size_t calls = 0;
  for (int i = 0; i < kMany; i++) calls += backlog.push({"evil", i}) ? 1 : 0;
  CHECK(calls == Backlog::kMostOfOnePort);
  std::vector<int> told = serials(backlog);
  CHECK(told.size() == Backlog::kMostOfOnePort);
  CHECK(told.front() == 0);
  CHECK(told.back() == kMany - 1);
  // What was read makes room again.
  CHECK(backlog.push({"evil", 7}));
  CHECK(serials(backlog) == std::vector<int>{7});
}

TEST_CASE("others lose nothing by it, and stay in order with it") {
  Backlog backlog;
  for (int i = 0; i < 100; i++) backlog.push({"evil", i});
  CHECK(backlog.push({"good", 1000}));
  CHECK_FALSE(backlog.push({"evil", 100}));
  std::vector<int> told = serials(backlog);
  CHECK(told.size() == Backlog::kMostOfOnePort + 1);
  CHECK(told[told.size() - 2] == 1000);
  CHECK(told.back() == 100);
}

}  // namespace
}  // namespace usvhost
