#include "base/ids.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/io.h>

namespace sandbridge {
namespace {

constexpr size_t MIN_TOKEN = 16;
constexpr size_t MAX_TOKEN = 4096;

[[noreturn]] void fail(ErrorKind kind, kj::StringPtr path, kj::StringPtr what) {
  throwError(kind, kj::str("the token file ", path, " ", what));
}

[[noreturn]] void failErrno(kj::StringPtr path, kj::StringPtr what, int error) {
  fail(ErrorKind::FAILED, path, kj::str(what, ": ", strerror(error)));
}

void makeDirectories(kj::StringPtr path, kj::StringPtr tokenFile) {
  if (path.size() == 0 || mkdir(path.cStr(), 0700) == 0 || errno == EEXIST) return;
  if (errno == ENOENT) {
    KJ_IF_MAYBE (slash, path.findLast('/')) {
      makeDirectories(kj::str(path.slice(0, *slash)), tokenFile);
      if (mkdir(path.cStr(), 0700) == 0 || errno == EEXIST) return;
    }
  }
  failErrno(tokenFile, kj::str("cannot be made, because its directory ", path, " cannot"), errno);
}

void writeAll(int fd, kj::StringPtr text, kj::StringPtr path) {
  while (text.size() > 0) {
    auto n = write(fd, text.begin(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failErrno(path, "cannot be written", errno);
    text = text.slice(n);
  }
}

// Puts a new token at `path` unless something is there already.
void createToken(kj::StringPtr path) {
  KJ_IF_MAYBE (slash, path.findLast('/')) {
    makeDirectories(kj::str(path.slice(0, *slash)), path);
  }
  auto temporary = kj::str(path, ".", randomToken().slice(48));
  int raw = open(temporary.cStr(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (raw < 0) failErrno(path, "cannot be made", errno);
  kj::AutoCloseFd fd(raw);
  KJ_DEFER(unlink(temporary.cStr()));
  writeAll(fd, kj::str(randomToken(), "\n"), path);
  if (fsync(fd) < 0) failErrno(path, "cannot be written", errno);
  // Unlike rename, link fails when another process was first, whose token then counts.
  if (link(temporary.cStr(), path.cStr()) < 0 && errno != EEXIST) {
    failErrno(path, "cannot be made", errno);
  }
}

}  // namespace

kj::String randomToken() {
  kj::byte bytes[32];
  size_t have = 0;
  while (have < sizeof(bytes)) {
    ssize_t n;
    KJ_SYSCALL(n = getrandom(bytes + have, sizeof(bytes) - have, 0));
    have += n;
  }
  return kj::encodeHex(bytes);
}

bool equalSecrets(kj::StringPtr a, kj::StringPtr b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.begin(), b.begin(), a.size()) == 0;
}

kj::String sha256Hex(kj::ArrayPtr<const kj::byte> bytes) {
  kj::byte digest[32];
  unsigned size = sizeof(digest);
  KJ_ASSERT(EVP_Digest(bytes.begin(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1,
            "OpenSSL has no SHA-256");
  return kj::encodeHex(kj::arrayPtr(digest, size));
}

kj::String sha256Hex(kj::StringPtr text) { return sha256Hex(text.asBytes()); }

kj::String defaultTokenFile() {
  auto state = getenv("XDG_STATE_HOME");
  // The XDG specification: relative paths are to be ignored.
  if (state != nullptr && state[0] == '/') return kj::str(state, "/sandbridge/token");
  auto home = getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    throwError(ErrorKind::INVALID_ARGUMENT,
               "neither XDG_STATE_HOME nor HOME is set, so there is no place for the token file: "
               "give one with --token-file");
  }
  return kj::str(home, "/.local/state/sandbridge/token");
}

kj::String loadToken(kj::StringPtr path) {
  // O_NONBLOCK: a FIFO must not hold us up.
  int raw = open(path.cStr(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (raw < 0) {
    if (errno == ENOENT || errno == ENOTDIR) fail(ErrorKind::NOT_FOUND, path, "does not exist");
    if (errno == EACCES) fail(ErrorKind::DENIED, path, "cannot be read: Permission denied");
    failErrno(path, "cannot be read", errno);
  }
  kj::AutoCloseFd fd(raw);
  struct stat st;
  KJ_SYSCALL(fstat(fd, &st));
  if (!S_ISREG(st.st_mode)) fail(ErrorKind::INVALID_ARGUMENT, path, "is not a file");
  if (st.st_uid != geteuid() && st.st_uid != 0) {
    fail(ErrorKind::DENIED, path, "belongs to another user");
  }
  if ((st.st_mode & 077) != 0) {
    fail(ErrorKind::DENIED, path, kj::str("can be read or written by others: run chmod 600 ", path));
  }
  char buffer[MAX_TOKEN + 64];
  size_t size = 0;
  while (size < sizeof(buffer)) {
    auto n = read(fd, buffer + size, sizeof(buffer) - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failErrno(path, "cannot be read", errno);
    if (n == 0) break;
    size += n;
  }
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  auto begin = buffer, end = buffer + size;
  while (begin < end && blank(*begin)) ++begin;
  while (begin < end && blank(end[-1])) --end;
  auto token = kj::heapString(begin, end - begin);
  if (token.size() < MIN_TOKEN || token.size() > MAX_TOKEN) {
    fail(ErrorKind::INVALID_ARGUMENT, path,
         kj::str("holds no token: ", MIN_TOKEN, " to ", MAX_TOKEN, " characters are expected"));
  }
  for (char c : token) {
    if (c <= ' ' || c > '~') {
      fail(ErrorKind::INVALID_ARGUMENT, path,
           "holds no token: only printable ASCII characters without blanks are expected");
    }
  }
  return token;
}

kj::String loadOrCreateToken(kj::StringPtr path) {
  struct stat st;
  if (lstat(path.cStr(), &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) createToken(path);
  return loadToken(path);
}

}  // namespace sandbridge
