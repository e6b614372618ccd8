// SPDX-License-Identifier: Apache-2.0
// The script of a case: one step a line, words with blanks between them, `#` for remarks, `repeat N` … `end` around steps.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace hostile {

struct Step {
  std::string text;  // as it stands, with the number of its line
  std::vector<std::string> words;
  uint64_t times = 1;
  std::vector<Step> inner;  // of a repetition
};

/** Reads to the end; ends the player at a repetition without its end. */
std::vector<Step> read_script(std::istream& input);

/** A word as a number, decimal or 0x…; ends the player when it is none. */
uint64_t number(const std::string& word);
/** Pairs of hexadecimal digits; `-` is no byte at all. */
std::vector<uint8_t> bytes(const std::string& word);

}  // namespace hostile
