// SPDX-License-Identifier: Apache-2.0
#include "switch/stats_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"

namespace usvhost {

namespace {
constexpr size_t kNameBytes = 32;
}

StatsFile::~StatsFile() {
  if (data_ == nullptr) return;
  munmap(data_, size_);
  if (!path_.empty()) unlink(path_.c_str());
}

Status StatsFile::create(const std::string& path, uint32_t records) {
  records_offset_ = static_cast<uint32_t>((sizeof(StatsHeader) + kNameBytes * kCounterSlots + 63) / 64 * 64);
  size_ = records_offset_ + records * sizeof(StatsRecord);
  const std::string temporary = path + ".new";
  Fd file(::open(temporary.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file) return system_failure("USV_IO", "open " + temporary);
  // Allocated now: a full file system must be an error at the start and not a SIGBUS in a data thread.
  if (int cause = posix_fallocate(file.get(), 0, static_cast<off_t>(size_)); cause != 0) {
    errno = cause;
    Status status = system_failure("USV_IO", "posix_fallocate " + temporary);
    unlink(temporary.c_str());
    return status;
  }
  void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    Status status = system_failure("USV_IO", "mmap " + temporary);
    unlink(temporary.c_str());
    return status;
  }
  data_ = static_cast<uint8_t*>(mapped);
  auto* header = reinterpret_cast<StatsHeader*>(data_);
  *header = {
      {'U', 'S', 'V', 'S', 'T', 'A', 'T', 0},         1, records_offset_, sizeof(StatsRecord), records, kCounterSlots,
      static_cast<uint32_t>(std::size(kCounterNames))};
  for (const CounterName& entry : kCounterNames) {
    char* name = reinterpret_cast<char*>(data_ + sizeof(StatsHeader) + kNameBytes * static_cast<size_t>(entry.counter));
    strncpy(name, entry.name, kNameBytes - 1);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    Status status = system_failure("USV_IO", "rename to " + path);
    unlink(temporary.c_str());
    return status;
  }
  path_ = path;
  return {};
}

StatsRecord* StatsFile::record(uint32_t index) const {
  return reinterpret_cast<StatsRecord*>(data_ + records_offset_) + index;
}

CounterBlock& StatsFile::open(uint32_t index, const std::string& name) {
  StatsRecord* entry = record(index);
  memset(entry, 0, sizeof *entry);
  memcpy(entry->name, name.data(), std::min(name.size(), sizeof entry->name - 1));
  return entry->counters;
}

void StatsFile::close(uint32_t index) { memset(record(index)->name, 0, sizeof(StatsRecord::name)); }

}  // namespace usvhost
