#include "base/ids.h"

#include "base/error.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/filesystem.h>
#include <kj/io.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

struct TemporaryDirectory {
  char path[40] = "/tmp/sandbridge-test-XXXXXX";
  TemporaryDirectory() { KJ_ASSERT(mkdtemp(path) != nullptr); }
  ~TemporaryDirectory() noexcept(false) {
    kj::newDiskFilesystem()->getRoot().remove(kj::Path::parse(kj::StringPtr(path).slice(1)));
  }
  kj::String operator/(kj::StringPtr name) { return kj::str(path, "/", name); }
};

void writeFile(kj::StringPtr path, kj::StringPtr text, mode_t mode) {
  int fd;
  KJ_SYSCALL(fd = open(path.cStr(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  kj::FdOutputStream(kj::AutoCloseFd(fd)).write(text.begin(), text.size());
  KJ_SYSCALL(chmod(path.cStr(), mode));
}

kj::Exception refusal(kj::StringPtr path) {
  auto e = kj::runCatchingExceptions([&]() { loadToken(path); });
  REQUIRE(e != nullptr);
  return kj::mv(KJ_ASSERT_NONNULL(e));
}

TEST_CASE("random tokens have 64 hexadecimal digits and differ") {
  auto a = randomToken(), b = randomToken();
  CHECK(a.size() == 64);
  CHECK(a != b);
  for (char c : a) CHECK(((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')));
}

TEST_CASE("secrets are equal only as a whole") {
  CHECK(equalSecrets("abc", "abc"));
  CHECK(equalSecrets("", ""));
  CHECK_FALSE(equalSecrets("abc", "abd"));
  CHECK_FALSE(equalSecrets("abc", "ab"));
  CHECK_FALSE(equalSecrets("abc", ""));
}

TEST_CASE("sha256Hex agrees with the standard's test values") {
  CHECK(sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a missing token file is made, private, and read again the same") {
  TemporaryDirectory dir;
  auto path = dir / "a/b/token";
  auto token = loadOrCreateToken(path);
  CHECK(token.size() == 64);
  CHECK(loadOrCreateToken(path) == token);
  CHECK(loadToken(path) == token);
  struct stat st;
  KJ_SYSCALL(stat(path.cStr(), &st));
  CHECK((st.st_mode & 07777) == 0600);
  KJ_SYSCALL(stat((dir / "a").cStr(), &st));
  CHECK((st.st_mode & 07777) == 0700);
  auto names = kj::newDiskFilesystem()
                   ->getRoot()
                   .openSubdir(kj::Path::parse((dir / "a/b").slice(1)))
                   ->listNames();
  CHECK(names.size() == 1);
}

TEST_CASE("processes that make the token file at the same time agree on the token") {
  TemporaryDirectory dir;
  auto path = dir / "state/token";
  int pipe[2];
  KJ_SYSCALL(pipe2(pipe, O_CLOEXEC));
  constexpr int COUNT = 8;
  kj::Vector<pid_t> children;
  for (int i = 0; i < COUNT; i++) {
    pid_t pid;
    KJ_SYSCALL(pid = fork());
    if (pid == 0) {
      auto token = loadOrCreateToken(path);
      auto n = write(pipe[1], token.begin(), 64);
      _exit(n == 64 ? 0 : 1);
    }
    children.add(pid);
  }
  close(pipe[1]);
  auto token = loadOrCreateToken(path);
  for (auto pid : children) {
    char text[65] = {};
    kj::FdInputStream(pipe[0]).read(text, 64);
    CHECK(token == kj::StringPtr(text, 64));
    int status;
    KJ_SYSCALL(waitpid(pid, &status, 0));
    CHECK(status == 0);
  }
  close(pipe[0]);
}

TEST_CASE("a token file that others may read is refused, and the text says what to do") {
  TemporaryDirectory dir;
  auto path = dir / "token";
  for (mode_t mode : {0644, 0640, 0602}) {
    writeFile(path, "0123456789abcdef-secret", mode);
    auto e = refusal(path);
    CHECK(kindOf(e) == ErrorKind::DENIED);
    CHECK(textOf(e).endsWith(kj::str("run chmod 600 ", path)));
    CHECK(std::string(e.getDescription().cStr()).find("secret") == std::string::npos);
  }
}

TEST_CASE("white space around a token is ignored") {
  TemporaryDirectory dir;
  auto path = dir / "token";
  writeFile(path, "  0123456789abcdef\r\n", 0600);
  CHECK(loadToken(path) == "0123456789abcdef");
}

TEST_CASE("files that hold no token are refused without showing their content") {
  TemporaryDirectory dir;
  auto path = dir / "token";
  for (kj::StringPtr content : {""_kj, "\n\n"_kj, "short"_kj, "two words 0123456789"_kj, "caf\xc3\xa9-0123456789abcdef"_kj}) {
    writeFile(path, content, 0600);
    auto e = refusal(path);
    CHECK(kindOf(e) == ErrorKind::INVALID_ARGUMENT);
    CHECK(std::string(e.getDescription().cStr()).find("0123456789") == std::string::npos);
  }
  auto big = kj::heapString(100000);
  memset(big.begin(), 'a', big.size());
  writeFile(path, big, 0600);
  CHECK(kindOf(refusal(path)) == ErrorKind::INVALID_ARGUMENT);
  CHECK(kindOf(refusal(dir.path)) == ErrorKind::INVALID_ARGUMENT);
  CHECK(kindOf(refusal(dir / "missing")) == ErrorKind::NOT_FOUND);
  // Nor does a FIFO hold us up.
  KJ_SYSCALL(mkfifo((dir / "fifo").cStr(), 0600));
  CHECK(kindOf(refusal(dir / "fifo")) == ErrorKind::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace sandbridge
