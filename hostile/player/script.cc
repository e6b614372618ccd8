// SPDX-License-Identifier: Apache-2.0
#include "script.h"

#include <cerrno>
#include <sstream>

#include "fail.h"

namespace hostile {

namespace {

/** Steps up to the end of the input, or of the repetition at `depth`. */
std::vector<Step> read_steps(std::istream& input, int& line, int depth) {
  std::vector<Step> steps;
  for (std::string text; std::getline(input, text);) {
    line++;
    Step step;
    step.text = "line " + std::to_string(line) + ": " + text.substr(0, 100);
    current_step = step.text;
    std::istringstream words(text.substr(0, text.find('#')));
    for (std::string word; words >> word;) step.words.push_back(word);
    if (step.words.empty()) continue;
    if (step.words[0] == "end") {
      if (depth == 0) fail("there is nothing to end");
      return steps;
    }
    if (step.words[0] == "repeat") {
      if (step.words.size() != 2) fail("expected how often");
      step.times = number(step.words[1]);
      step.inner = read_steps(input, line, depth + 1);
    }
    steps.push_back(std::move(step));
  }
  if (depth != 0) fail("a repetition has no end");
  return steps;
}

}  // namespace

std::vector<Step> read_script(std::istream& input) {
  int line = 0;
  return read_steps(input, line, 0);
}

uint64_t number(const std::string& word) {
  char* end = nullptr;
  errno = 0;
  uint64_t value = strtoull(word.c_str(), &end, 0);
  if (word.empty() || word[0] == '-' || *end != '\0' || errno != 0) fail("%s is no number", word.c_str());
  return value;
}

std::vector<uint8_t> bytes(const std::string& word) {
  std::vector<uint8_t> all;
  if (word == "-") return all;
  if (word.size() % 2 != 0) fail("half a byte in %s", word.c_str());
  for (size_t i = 0; i < word.size(); i += 2) {
    char* end = nullptr;
    std::string pair = word.substr(i, 2);
    all.push_back(static_cast<uint8_t>(strtoul(pair.c_str(), &end, 16)));
    if (*end != '\0') fail("%s is no byte", pair.c_str());
  }
  return all;
}

}  // namespace hostile
