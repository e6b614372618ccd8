// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fail.h"

namespace hostile {

namespace {

int checked(int result, const char* what) {
  if (result < 0) fail("%s: %s", what, strerror(errno));
  return result;
}

/** A second descriptor of the same file, opened in another way. */
int reopen(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return checked(open(path, flags | O_CLOEXEC), path);
}

}  // namespace

File::File(const std::string& kind, size_t size) : size_(size) {
  if (size != 0 || kind == "memfd") {
    make_memory(kind);
  } else if (!make_event(kind) && !make_other(kind)) {
    fail("no kind of file is called %s", kind.c_str());
  }
}

File::~File() {
  if (data_ != nullptr) munmap(data_, size_);
  if (fd_ >= 0) close(fd_);
  if (partner_ >= 0) close(partner_);
}

void File::make_memory(const std::string& kind) {
  if (kind == "shm") {
    fd_ = checked(open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "/dev/shm");
  } else {
    fd_ = checked(memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
  }
  checked(ftruncate(fd_, static_cast<off_t>(size_)), "ftruncate");
  if (kind == "unwritable") {
    checked(fcntl(fd_, F_ADD_SEALS, F_SEAL_WRITE), "F_SEAL_WRITE");
    return;
  }
  if (kind == "readonly" || kind == "path") {
    partner_ = fd_;
    fd_ = reopen(partner_, kind == "path" ? O_PATH : O_RDONLY);
    return;
  }
  if (kind == "sealed") {
    checked(fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), "F_ADD_SEALS");
  } else if (kind != "memfd" && kind != "shm") {
    fail("no kind of memory is called %s", kind.c_str());
  }
  if (size_ == 0) return;
  void* mapping = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (mapping == MAP_FAILED) fail("mmap: %s", strerror(errno));
  data_ = static_cast<uint8_t*>(mapping);
}

bool File::make_event(const std::string& kind) {
  if (kind == "eventfd") {
    fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  } else if (kind == "semaphore") {
    fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
  } else if (kind == "blocking") {
    fd_ = eventfd(0, EFD_CLOEXEC);
  } else if (kind == "full" || kind == "full-blocking") {
    // eventfd(2): the largest value; one more write waits or fails with EAGAIN.
    fd_ = eventfd(0, EFD_CLOEXEC | (kind == "full" ? EFD_NONBLOCK : 0));
    uint64_t most = UINT64_MAX - 1;
    if (fd_ >= 0 && write(fd_, &most, sizeof most) != sizeof most) fail("eventfd: %s", strerror(errno));
  } else {
    return false;
  }
  checked(fd_, "eventfd");
  return true;
}

bool File::make_other(const std::string& kind) {
  int ends[2] = {-1, -1};
  if (kind == "pipe" || kind == "pipe-reader" || kind == "broken-pipe") {
    checked(pipe2(ends, O_CLOEXEC), "pipe2");
    fd_ = ends[kind == "pipe-reader" ? 0 : 1];
    partner_ = ends[kind == "pipe-reader" ? 1 : 0];
    if (kind == "broken-pipe") close(partner_), partner_ = -1;  // a write would raise SIGPIPE
  } else if (kind == "socket") {
    checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    fd_ = ends[0];
    partner_ = ends[1];
  } else if (kind == "null" || kind == "zero") {
    fd_ = checked(open(kind == "null" ? "/dev/null" : "/dev/zero", O_RDWR | O_CLOEXEC), "open");
  } else if (kind == "directory") {
    fd_ = checked(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open");
  } else if (kind == "program") {
    fd_ = checked(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "open");
  } else if (kind == "epoll") {
    fd_ = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  } else if (kind == "timer") {
    fd_ = checked(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");
  } else {
    return false;
  }
  return true;
}

uint8_t* File::at(uint64_t offset, size_t length) const {
  if (data_ == nullptr || offset > size_ || length > size_ - offset) {
    fail("no %zu bytes at %llu in a mapped file of %zu", length, static_cast<unsigned long long>(offset), size_);
  }
  return data_ + offset;
}

}  // namespace hostile
