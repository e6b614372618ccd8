// SPDX-License-Identifier: Apache-2.0
// The descriptors that a script may send: memory files of every kind, eventfds in every state, and things that are neither.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hostile {

class File {
 public:
  /** `size` is for memory files. Ends the player when the kind is unknown or the system refuses. */
  File(const std::string& kind, size_t size);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  /** The place of `length` bytes at `offset` in a mapped file; ends the player when they are not all inside. */
  uint8_t* at(uint64_t offset, size_t length) const;

 private:
  void make_memory(const std::string& kind);
  bool make_event(const std::string& kind);
  bool make_other(const std::string& kind);

  int fd_ = -1;
  int partner_ = -1;  // the other end of a pipe or a socket pair, or the file that a second descriptor was opened from
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace hostile
