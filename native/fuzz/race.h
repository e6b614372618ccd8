// SPDX-License-Identifier: Apache-2.0
// Bytes become the rings of two pods as in chains.h, and words that are rewritten while the forwarder reads them (writer.h):
// descriptors, entries of tables, indices, headers, frames. What was prepared is forwarded several times, since a race is seldom won
// at once. Nothing outside the pods' memory may be touched, and each frame that is taken ends under one name.
#pragma once

#include "fuzz/pods.h"
#include "fuzz/writer.h"

namespace usvhost::fuzz {

template <class Ring>
class Race {
 public:
  void run(Input input) {
    writer_.reset(input.byte() % 4 == 0);
    pods_.reset(input);
    for (int step = 0; step < 200 && !input.empty(); step++) {
      uint8_t what = input.byte();
      if ((what >> 6) == 1) {
        rewrite(what, input);
      } else if ((what >> 2 & 7) != 7) {
        pods_.write(what, input);
      } else {
        forward(*pods_.pods[what & 1]);
      }
    }
    writer_.end();
    pods_.check_counters();
  }

 private:
  static constexpr int kTries = 8;
  static constexpr size_t kRings = 2048;  // bytes of each pod's memory in which its rings lie

  /** A word or two for the writer, by bits 2 to 4 of `what`, of the ring and the pod that the lower bits say. */
  void rewrite(uint8_t what, Input& input) {
    Pod<Ring>& pod = *pods_.pods[what & 1];
    const int which = what >> 1 & 1;
    const uint8_t when = input.byte();
    uint64_t words[2];
    switch (what >> 2 & 7) {
      case 0: writer_.add(pod.base + make_place(input, sizeof(uint64_t)), input.number<uint64_t>(), when); break;
      case 1: writer_.add(pod.rings[which].word(input), input.number<uint64_t>(), when); break;
      case 2:
      case 3: {
        uint8_t* at = pod.base + make_place(input, sizeof words);
        Ring::write_entry(reinterpret_cast<uint8_t*>(words), make_descriptor(input, which == 1));
        add_some(what, when, at, words);
        break;
      }
      default: {
        uint8_t slot = input.byte() % kSize;
        pod.rings[which].rewritten(slot, make_descriptor(input, which == 1), words);
        add_some(what, when, pod.rings[which].slot(slot), words);
      }
    }
  }
  /** The address of an entry, the rest of it, or all, by bit 2 and 3. */
  void add_some(uint8_t what, uint8_t when, uint8_t* at, const uint64_t (&words)[2]) {
    if ((what & 0xc) != 4) writer_.add(at, words[0], when);
    if ((what & 0xc) != 8) writer_.add(at + 8, words[1], when);
  }

  void forward(Pod<Ring>& pod) {
    for (int i = 0; i < 2; i++) {
      memcpy(rings_[i], pods_.pods[i]->base, kRings);
      for (int k = 0; k < 2; k++) bases_[i][k] = pods_.pods[i]->queues[k].base();
    }
    for (int tries = 0; tries < kTries; tries++) {
      if (tries != 0) put_back();
      // By the load, each try comes a load later.
      writer_.begin_burst(static_cast<uint32_t>(tries));
      pods_.forward(pod);
      writer_.end_burst();
    }
    for (Pod<Ring>* each : pods_.pods) go_on(*each);
  }
  /** Rings and positions as they were before the first try, and a turn for whoever has flooded. */
  void put_back() {
    for (int i = 0; i < 2; i++) {
      Pod<Ring>& pod = *pods_.pods[i];
      memcpy(pod.base, rings_[i], kRings);
      for (int k = 0; k < 2; k++) pod.queues[k].attach(pod.rings[k].ring, bases_[i][k], pod.features);
      pod.runtime.broken.store(RingError::kNone);
      pod.runtime.owed = 0;
    }
  }
  /** A pod that was ended comes back where it stood. */
  static void go_on(Pod<Ring>& pod) {
    if (pod.runtime.broken.exchange(RingError::kNone) == RingError::kNone) return;
    for (int k = 0; k < 2; k++) pod.queues[k].attach(pod.rings[k].ring, pod.queues[k].base(), pod.features);
  }

  TwoPods<Ring> pods_;
  Writer& writer_ = Writer::get();
  uint8_t rings_[2][kRings];
  uint32_t bases_[2][2];
};

template <class Ring>
int run_race(const uint8_t* data, size_t size) {
  if (!FaultGuard::install().ok()) abort();
  static auto& race = *new Race<Ring>;  // for ever, as the writer is
  race.run(Input(data, size));
  return 0;
}

}  // namespace usvhost::fuzz
