// SPDX-License-Identifier: Apache-2.0
// Listening and connecting: the length of a path, what lies there already, mode and owner.
#include "vhost_user/sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include "test/support.h"

namespace usvhost::test {
namespace {

std::string code(const Status& status) { return status.ok() ? "ok" : status.code; }

std::string path_of(const TemporaryDirectory& directory, size_t length) {
  std::string path = directory / "";
  return path + std::string(length - path.size(), 's');
}

TEST_CASE("a path has 1 to 107 bytes") {
  TemporaryDirectory directory;
  Fd fd;
  CHECK(code(listen_on({path_of(directory, 108)}, fd)) == "USV_SOCKET_PATH");
  CHECK(code(listen_on({std::string(4096, 'x')}, fd)) == "USV_SOCKET_PATH");
  CHECK(code(listen_on({""}, fd)) == "USV_SOCKET_PATH");
  CHECK(code(connect_to(path_of(directory, 108), fd)) == "USV_SOCKET_PATH");
  CHECK(code(connect_to("", fd)) == "USV_SOCKET_PATH");
  CHECK_FALSE(fd);
  Fd listener, client;
  CHECK(code(listen_on({path_of(directory, 107)}, listener)) == "ok");
  CHECK(code(connect_to(path_of(directory, 107), client)) == "ok");
}

TEST_CASE("nothing to connect to") {
  TemporaryDirectory directory;
  size_t descriptors = open_descriptors();
  Fd fd;
  CHECK(code(connect_to(directory / "absent", fd)) == "USV_SOCKET_MISSING");
  std::ofstream(directory / "file") << "x";
  CHECK(code(connect_to(directory / "file", fd)) == "USV_SOCKET_MISSING");
  CHECK(code(connect_to((directory / "file") + "/below", fd)) == "USV_IO");
  CHECK(code(listen_on({directory / "no/such/directory"}, fd)) == "USV_IO");
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("what lies at the path: a stale socket is replaced, anything else is not") {
  TemporaryDirectory directory;
  std::string path = directory / "port";
  Fd first, second;
  REQUIRE(listen_on({path}, first).ok());
  CHECK(code(listen_on({path}, second)) == "USV_PORT_OCCUPIED");
  CHECK_FALSE(second);
  first.reset();  // the file stays, as after a crash
  CHECK(code(listen_on({path}, second)) == "ok");
  Fd client;
  CHECK(connect_to(path, client).ok());

  std::ofstream(directory / "file") << "precious";
  Fd third;
  CHECK(code(listen_on({directory / "file"}, third)) == "USV_PORT_OCCUPIED");
  CHECK(std::filesystem::file_size(directory / "file") == 8);
  std::filesystem::create_directory(directory / "directory");
  CHECK(code(listen_on({directory / "directory"}, third)) == "USV_PORT_OCCUPIED");
  std::filesystem::create_symlink(path, directory / "link");
  CHECK(code(listen_on({directory / "link"}, third)) == "USV_PORT_OCCUPIED");
  CHECK(connect_to(path, client).ok());
}

TEST_CASE("in a directory of somebody else only a socket is connected to") {
  TemporaryDirectory directory;
  Fd listener, client;
  REQUIRE(listen_on({directory / "port"}, listener).ok());
  size_t descriptors = open_descriptors();
  CHECK(code(connect_to_foreign(directory / "absent", client)) == "USV_SOCKET_MISSING");
  CHECK(code(connect_to_foreign((directory / "port") + "/below", client)) == "USV_IO");
  std::ofstream(directory / "file") << "x";
  std::filesystem::create_directory(directory / "directory");
  REQUIRE(mkfifo((directory / "fifo").c_str(), 0600) == 0);
  // A link leads to where the node's own sockets are; connect_to() would follow it.
  std::filesystem::create_symlink(directory / "port", directory / "link");
  std::filesystem::create_symlink("nowhere", directory / "dangling");
  for (const char* name : {"file", "directory", "fifo", "link", "dangling"}) {
    CAPTURE(name);
    CHECK(code(connect_to_foreign(directory / name, client)) == "USV_PORT_OCCUPIED");
  }
  Fd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, (directory / "datagram").c_str());
  REQUIRE(bind(datagram.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(code(connect_to_foreign(directory / "datagram", client)) == "USV_IO");
  datagram.reset();
  CHECK_FALSE(client);
  CHECK(open_descriptors() == descriptors);
  // No limit but the file system's: the kernel gets a short name of the entry.
  std::filesystem::create_directory(directory / std::string(100, 'd'));
  std::string longest = directory / (std::string(100, 'd') + "/port");
  std::filesystem::rename(directory / "port", longest);
  CHECK(code(connect_to_foreign(longest, client)) == "ok");
  CHECK((fcntl(client.get(), F_GETFL) & O_NONBLOCK) != 0);
  listener.reset();  // the file stays, as after a crash
  CHECK(code(connect_to_foreign(longest, client)) == "USV_SOCKET_MISSING");
}

TEST_CASE("a socket whose backlog is full is occupied, not stale") {
  TemporaryDirectory directory;
  std::string path = directory / "port";
  Fd listener;
  REQUIRE(listen_on({path}, listener).ok());
  std::vector<Fd> waiting;
  Status status;
  do {
    waiting.emplace_back();
    status = connect_to(path, waiting.back());
  } while (status.ok() && waiting.size() < 100);
  CHECK(code(status) == "USV_IO");
  Fd thief;
  CHECK(code(listen_on({path}, thief)) == "USV_PORT_OCCUPIED");
  CHECK_FALSE(thief);
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("mode and owner are set before anybody can connect") {
  TemporaryDirectory directory;
  struct Row {
    uint32_t mode;
    uid_t uid;
    gid_t gid;
  };
  bool root = geteuid() == 0;
  if (!root) MESSAGE("owner not changed: needs root");
  auto keep = static_cast<uid_t>(-1);
  for (Row row : {Row{0666, keep, keep}, Row{0600, keep, keep}, Row{0660, root ? 1234u : keep, root ? 4321u : keep},
                  Row{0777, root ? 1234u : keep, keep}}) {
    mode_t old = umask(077);
    std::string path = directory / "port";
    Fd listener;
    REQUIRE(listen_on({path, row.mode, row.uid, row.gid}, listener).ok());
    umask(old);
    struct stat facts{};
    REQUIRE(stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 07777) == row.mode);
    CHECK(facts.st_uid == (row.uid == keep ? geteuid() : row.uid));
    CHECK(facts.st_gid == (row.gid == keep ? getegid() : row.gid));
  }
}

TEST_CASE("sockets are close-on-exec and do not block") {
  TemporaryDirectory directory;
  Fd listener, client;
  REQUIRE(listen_on({directory / "port"}, listener).ok());
  REQUIRE(connect_to(directory / "port", client).ok());
  for (int fd : {listener.get(), client.get()}) {
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  }
}

}  // namespace
}  // namespace usvhost::test
