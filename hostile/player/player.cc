// SPDX-License-Identifier: Apache-2.0
#include "player.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fail.h"

namespace hostile {

namespace {

constexpr size_t kAny = 512;

/** One of those that a script has made, by its name. */
template <class Thing>
Thing& named(std::map<std::string, std::unique_ptr<Thing>>& things, const std::string& name) {
  auto found = things.find(name);
  if (found == things.end()) fail("the script has made nothing called %s", name.c_str());
  return *found->second;
}

}  // namespace

const std::map<std::string, Player::Command>& Player::commands() {
  static const std::map<std::string, Command> all = {
      {"file", {3, 4, &Player::make_file}},
      {"ring", {6, 6, &Player::make_ring}},
      {"connect", {3, 3, &Player::connect_peer}},
      {"hangup", {2, 2, &Player::hang_up}},
      {"half-close", {2, 2, &Player::half_close}},
      {"send", {3, kAny, &Player::send}},
      {"reply", {2, 3, &Player::await_reply}},
      {"print", {2, 2, &Player::print_reply}},
      {"closed", {2, 2, &Player::await_closed}},
      {"alive", {2, 2, &Player::check_alive}},
      {"settle", {2, 2, &Player::settle}},
      {"linger", {3, 3, &Player::linger}},
      {"store", {5, 5, &Player::store_word}},
      {"bytes", {4, 4, &Player::store_bytes}},
      {"compare", {4, 4, &Player::compare}},
      {"resize", {3, 3, &Player::resize}},
      {"punch", {4, 4, &Player::punch}},
      {"offer", {3, 3, &Player::offer}},
      {"taken", {3, 4, &Player::await_taken}},
      {"traffic", {6, 6, &Player::traffic}},
      {"signal", {2, 2, &Player::signal_event}},
      {"drain", {2, 2, &Player::drain_event}},
      {"flip", {6, 6, &Player::flip}},
      {"storm", {2, 2, &Player::storm}},
      {"calm", {1, 1, &Player::calm}},
  };
  return all;
}

void Player::play(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    if (!step.inner.empty()) {
      for (uint64_t i = 0; i < step.times; i++) play(step.inner);
      continue;
    }
    current_step = step.text;
    auto command = commands().find(step.words[0]);
    if (command == commands().end()) fail("there is no such step");
    if (step.words.size() < command->second.least || step.words.size() > command->second.most) {
      fail("expected %zu to %zu words", command->second.least, command->second.most);
    }
    (this->*command->second.run)(step.words);
  }
}

File& Player::file(const std::string& name) { return named(files_, name); }
Peer& Player::peer(const std::string& name) { return named(peers_, name); }
Ring& Player::ring(const std::string& name) { return named(rings_, name); }

// file NAME KIND [SIZE]
void Player::make_file(const Words& words) {
  files_[words[1]] = std::make_unique<File>(words[2], words.size() > 3 ? number(words[3]) : 0);
}

// ring NAME FILE AVAIL USED SIZE
void Player::make_ring(const Words& words) {
  auto size = static_cast<uint32_t>(number(words[5]));
  rings_[words[1]] = std::make_unique<Ring>(file(words[2]), number(words[3]), number(words[4]), size);
}

// connect NAME SOCKET
void Player::connect_peer(const Words& words) {
  auto path = sockets_.find(words[2]);
  if (path == sockets_.end()) fail("there is no socket called %s", words[2].c_str());
  // A former connection of the name ends first, or the back-end would see a second one.
  peers_.erase(words[1]);
  peers_[words[1]] = std::make_unique<Peer>(path->second);
}

// hangup NAME
void Player::hang_up(const Words& words) {
  peer(words[1]);
  peers_.erase(words[1]);
}

// half-close NAME
void Player::half_close(const Words& words) { peer(words[1]).half_close(); }

// send NAME BYTES [FILE…]
void Player::send(const Words& words) {
  std::vector<int> fds;
  for (size_t i = 3; i < words.size(); i++) fds.push_back(file(words[i]).fd());
  peer(words[1]).send(bytes(words[2]), fds);
}

// reply NAME [VALUE]: `ok` is zero, `refused` anything else
void Player::await_reply(const Words& words) {
  std::optional<uint64_t> got = peer(words[1]).reply();
  if (!got) fail("expected an answer, got the end of the connection");
  if (words.size() == 2) return;
  bool wanted = words[2] == "refused" ? *got != 0 : *got == (words[2] == "ok" ? 0 : number(words[2]));
  if (!wanted) fail("got the answer 0x%llx", static_cast<unsigned long long>(*got));
}

// print NAME: the next answer, on standard output
void Player::print_reply(const Words& words) {
  std::optional<uint64_t> got = peer(words[1]).reply();
  if (!got) fail("expected an answer, got the end of the connection");
  printf("0x%llx\n", static_cast<unsigned long long>(*got));
}

// closed NAME
void Player::await_closed(const Words& words) {
  if (!peer(words[1]).closed()) fail("expected the end of the connection, got none in time");
}

// alive NAME
void Player::check_alive(const Words& words) {
  if (!peer(words[1]).alive()) fail("expected a connection that goes on, got its end");
}

// settle NAME: whatever becomes of the connection, it is known by then
void Player::settle(const Words& words) { peer(words[1]).alive(); }

// linger NAME MILLISECONDS
void Player::linger(const Words& words) { peer(words[1]).linger(static_cast<int>(number(words[2]))); }

// store FILE OFFSET WIDTH VALUE
void Player::store_word(const Words& words) {
  auto width = static_cast<unsigned>(number(words[3]));
  store(file(words[1]).at(number(words[2]), width), width, number(words[4]));
}

// bytes FILE OFFSET BYTES
void Player::store_bytes(const Words& words) {
  std::vector<uint8_t> all = bytes(words[3]);
  memcpy(file(words[1]).at(number(words[2]), all.size()), all.data(), all.size());
}

// compare FILE OFFSET BYTES
void Player::compare(const Words& words) {
  std::vector<uint8_t> all = bytes(words[3]);
  const uint8_t* there = file(words[1]).at(number(words[2]), all.size());
  for (size_t i = 0; i < all.size(); i++) {
    if (there[i] != all[i]) fail("expected 0x%02x at byte %zu, got 0x%02x", all[i], i, there[i]);
  }
}

// resize FILE SIZE
void Player::resize(const Words& words) {
  if (ftruncate(file(words[1]).fd(), static_cast<off_t>(number(words[2]))) != 0) {
    fail("ftruncate: %s", strerror(errno));
  }
}

// punch FILE OFFSET LENGTH
void Player::punch(const Words& words) {
  constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  auto offset = static_cast<off_t>(number(words[2]));
  if (fallocate(file(words[1]).fd(), kMode, offset, static_cast<off_t>(number(words[3]))) != 0) {
    fail("fallocate: %s", strerror(errno));
  }
}

// offer RING HEAD
void Player::offer(const Words& words) { ring(words[1]).offer(static_cast<uint16_t>(number(words[2]))); }

// taken RING PEER [LEFT]: all that was offered has come back, or all but LEFT
void Player::await_taken(const Words& words) {
  const Ring& mine = ring(words[1]);
  auto left = static_cast<uint16_t>(words.size() > 3 ? number(words[3]) : 0);
  if (!mine.wait(left, peer(words[2]))) fail("%u chains have not come back", mine.outstanding());
  if (mine.outstanding() > left) fail("expected a connection that goes on, got its end");
}

// traffic PEER RING KICK COUNT HEADS
void Player::traffic(const Words& words) {
  auto count = static_cast<uint32_t>(number(words[4]));
  auto heads = static_cast<uint16_t>(number(words[5]));
  if (!ring(words[2]).traffic(count, heads, file(words[3]), peer(words[1]))) fail("the ring stands still");
}

// signal FILE
void Player::signal_event(const Words& words) { signal(file(words[1])); }

// drain FILE
void Player::drain_event(const Words& words) {
  uint64_t value;
  [[maybe_unused]] ssize_t got = read(file(words[1]).fd(), &value, sizeof value);
}

// flip FILE OFFSET WIDTH FIRST SECOND
void Player::flip(const Words& words) {
  auto width = static_cast<unsigned>(number(words[3]));
  threads_.flip(file(words[1]).at(number(words[2]), width), width, number(words[4]), number(words[5]));
}

// storm FILE
void Player::storm(const Words& words) { threads_.storm(file(words[1])); }

// calm
void Player::calm(const Words&) { threads_.stop(); }

}  // namespace hostile
