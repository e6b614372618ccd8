// SPDX-License-Identifier: Apache-2.0
// The mapped file that holds all ports' counters: any process may map or read it, no one has to ask the switch.
// Layout (version 1, little-endian): StatsHeader, then `counters` names of 32 bytes, then from `records_offset` on
// `records` blocks of `record_bytes`: a 64-byte name (empty: unused) and the counter slots.
#pragma once

#include <string>

#include "base/status.h"
#include "switch/counters.h"

namespace usvhost {

struct StatsHeader {
  char magic[8];  // "USVSTAT\0"
  uint32_t version;
  uint32_t records_offset;
  uint32_t record_bytes;
  uint32_t records;
  uint32_t counters;       // how many name entries follow
  uint32_t counters_used;  // names that are not empty
};

struct StatsRecord {
  char name[64];
  CounterBlock counters;
};
static_assert(sizeof(StatsRecord) == 64 + 8 * kCounterSlots);

class StatsFile {
 public:
  StatsFile() = default;
  ~StatsFile();
  StatsFile(const StatsFile&) = delete;
  StatsFile& operator=(const StatsFile&) = delete;

  /** Creates the file under a temporary name and renames it, so that readers never see half a layout. Fails with USV_IO. */
  Status create(const std::string& path, uint32_t records);
  /** Zeroes a record and names it. */
  CounterBlock& open(uint32_t record, const std::string& name);
  void close(uint32_t record);

 private:
  StatsRecord* record(uint32_t index) const;

  std::string path_;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  uint32_t records_offset_ = 0;
};

}  // namespace usvhost
