// SPDX-License-Identifier: Apache-2.0
// StatsFile: the layout that other processes read, found by its own header.
#include "switch/stats_file.h"

#include <fstream>

#include "test/support.h"

namespace usvhost::test {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a file that cannot be made is an error and leaves nothing") {
  TemporaryDirectory directory;
  StatsFile stats;
  CHECK(std::string(stats.create(directory / "no/such", 4).code) == "USV_IO");
  std::filesystem::create_symlink("/etc/passwd", directory / "link.new");
  StatsFile other;
  CHECK(std::string(other.create(directory / "link", 4).code) == "USV_IO");
  std::filesystem::create_directory(directory / "directory");
  {
    StatsFile third;
    CHECK(std::string(third.create(directory / "directory", 4).code) == "USV_IO");
  }
  CHECK(std::filesystem::is_directory(directory / "directory"));
  CHECK_FALSE(std::filesystem::exists(directory / "directory.new"));
}

TEST_CASE("a reader finds names and values by the header alone") {
  TemporaryDirectory directory;
  std::string path = directory / "stats";
  {
    StatsFile stats;
    REQUIRE(stats.create(path, 4).ok());
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
    CounterBlock& counters = stats.open(2, "port-two");
    counters.add(Counter::rx_bytes, 41);
    counters.add(Counter::rx_bytes, 1);
    std::string bytes = contents(path);
    StatsHeader header;
    memcpy(&header, bytes.data(), sizeof header);
    CHECK(memcmp(header.magic, "USVSTAT", 8) == 0);
    CHECK(header.version == 1);
    CHECK(header.records == 4);
    CHECK(bytes.size() == header.records_offset + header.records * header.record_bytes);
    uint32_t named = 0, found = 0;
    for (uint32_t i = 0; i < header.counters; i++) {
      std::string name = bytes.data() + sizeof header + 32 * i;
      if (!name.empty()) named++;
      if (name != "rx_bytes") continue;
      found++;
      uint64_t value;
      memcpy(&value, bytes.data() + header.records_offset + 2 * header.record_bytes + 64 + 8 * i, sizeof value);
      CHECK(value == 42);
    }
    CHECK(found == 1);
    CHECK(named == header.counters_used);
    CHECK(std::string(bytes.data() + header.records_offset + 2 * header.record_bytes) == "port-two");
    CHECK(bytes[header.records_offset] == 0);
    stats.close(2);
    CHECK(contents(path)[header.records_offset + 2 * header.record_bytes] == 0);
    CHECK(stats.open(2, std::string(100, 'n')).get(Counter::rx_bytes) == 0);
    CHECK(std::string(contents(path).data() + header.records_offset + 2 * header.record_bytes).size() == 63);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace usvhost::test
