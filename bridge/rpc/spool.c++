#include "rpc/spool.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <kj/debug.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace sandbridge {
namespace {

kj::StringPtr temporaryDirectory() {
  auto chosen = getenv("TMPDIR");
  return chosen != nullptr && *chosen == '/' ? kj::StringPtr(chosen) : "/tmp"_kj;
}

[[noreturn]] void fail(int error) {
  throwError(ErrorKind::FAILED,
             kj::str("the bridge cannot keep the upload in ", temporaryDirectory(), ": ", strerror(error)));
}

kj::AutoCloseFd openUnlinked() {
  auto directory = temporaryDirectory();
  int fd = open(directory.cStr(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    auto name = kj::str(directory, "/sandbridge-XXXXXX");
    fd = mkostemp(name.begin(), O_CLOEXEC);
    if (fd >= 0) unlink(name.cStr());
  }
  if (fd < 0) fail(errno);
  return kj::AutoCloseFd(fd);
}

// Files are always ready, so reads go straight to them; each gives the event loop a turn.
class FileStream final : public kj::AsyncInputStream {
 public:
  FileStream(kj::AutoCloseFd fd, uint64_t size): fd(kj::mv(fd)), left(size) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    return kj::evalLater([this, buffer, maxBytes]() -> size_t {
      constexpr size_t MAX_TURN = 1u << 20;  // what one turn of the loop may spend on reading
      size_t total = 0;
      auto wanted = kj::min(maxBytes, MAX_TURN);
      while (total < wanted) {
        ssize_t n;
        KJ_SYSCALL(n = ::read(fd, reinterpret_cast<kj::byte*>(buffer) + total, wanted - total));
        if (n == 0) break;
        total += n;
      }
      left -= total;
      return total;
    }).then([this, buffer, minBytes, maxBytes](size_t n) -> kj::Promise<size_t> {
      if (n >= minBytes || n == 0) return n;
      return tryRead(reinterpret_cast<kj::byte*>(buffer) + n, minBytes - n, maxBytes - n)
          .then([n](size_t more) { return n + more; });
    });
  }

  kj::Maybe<uint64_t> tryGetLength() override { return left; }

 private:
  kj::AutoCloseFd fd;
  uint64_t left;
};

class EmptyStream final : public kj::AsyncInputStream {
 public:
  kj::Promise<size_t> tryRead(void*, size_t, size_t) override { return size_t(0); }
  kj::Maybe<uint64_t> tryGetLength() override { return uint64_t(0); }
};

}  // namespace

void Spool::write(kj::ArrayPtr<const kj::byte> bytes) {
  if (bytes.size() > limit - length) {
    throwError(ErrorKind::FAILED,
               kj::str("the file is larger than ", limit >> 20, " MiB, the most that one upload may hold"));
  }
  if (fd.get() < 0) fd = openUnlinked();
  while (bytes.size() > 0) {
    auto n = ::write(fd, bytes.begin(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(errno);
    bytes = bytes.slice(n, bytes.size());
    length += n;
  }
}

kj::Own<kj::AsyncInputStream> Spool::read() {
  if (fd.get() < 0) return kj::heap<EmptyStream>();
  KJ_SYSCALL(lseek(fd, 0, SEEK_SET));
  return kj::heap<FileStream>(kj::mv(fd), length);
}

}  // namespace sandbridge
