#include "standard-io.h"

#include "base/coroutine.h"
#include "base/error.h"

#include <errno.h>
#include <kj/debug.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sandbridge {
namespace {

// None for what epoll does not take: files, and devices like /dev/null.
kj::Maybe<kj::Own<kj::UnixEventPort::FdObserver>> observe(kj::UnixEventPort& port, int fd, unsigned flags) {
  struct stat info;
  if (fstat(fd, &info) < 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISBLK(info.st_mode)) {
    return nullptr;
  }
  kj::Maybe<kj::Own<kj::UnixEventPort::FdObserver>> result;
  auto refused = kj::runCatchingExceptions([&]() {
    result = kj::heap<kj::UnixEventPort::FdObserver>(port, fd, flags);
  });
  if (refused != nullptr) return nullptr;
  return result;
}

bool isReady(int fd, short events) {
  pollfd p = {fd, events, 0};
  return poll(&p, 1, 0) > 0;
}

}  // namespace

StandardInput::StandardInput(kj::UnixEventPort& port)
    : observer(observe(port, STDIN_FILENO, kj::UnixEventPort::FdObserver::OBSERVE_READ)) {}

bool StandardInput::mayHaveInput() {
  struct stat info;
  if (fstat(STDIN_FILENO, &info) < 0) return false;
  return !(S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3));
}

kj::Promise<void> StandardInput::whenReadable() {
  KJ_IF_MAYBE(o, observer) {
    // The observer tells edges; only poll() knows the level.
    while (!isReady(STDIN_FILENO, POLLIN)) co_await (*o)->whenBecomesReadable();
  }
}

kj::Maybe<size_t> StandardInput::tryRead(kj::ArrayPtr<kj::byte> buffer) {
  if (observer != nullptr && !isReady(STDIN_FILENO, POLLIN)) return nullptr;
  for (;;) {
    auto n = ::read(STDIN_FILENO, buffer.begin(), buffer.size());
    if (n >= 0) return size_t(n);
    if (errno == EAGAIN && observer != nullptr) return nullptr;  // somebody else has made it non-blocking, and was faster
    if (errno != EINTR) return size_t(0);
  }
}

StandardOutput::StandardOutput(kj::UnixEventPort& port, int fd)
    : fd(fd), observer(observe(port, fd, kj::UnixEventPort::FdObserver::OBSERVE_WRITE)) {}

kj::Promise<void> StandardOutput::write(kj::ArrayPtr<const kj::byte> bytes) {
  while (bytes.size() > 0) {
    auto turn = bytes.size();
    KJ_IF_MAYBE(o, observer) {
      while (!isReady(fd, POLLOUT)) co_await (*o)->whenBecomesWritable();
      turn = kj::min(turn, size_t(PIPE_BUF));  // a ready pipe takes this much without blocking
    }
    auto n = ::write(fd, bytes.begin(), turn);
    if (n >= 0) {
      bytes = bytes.slice(n, bytes.size());
    } else if (errno == EAGAIN && observer != nullptr) {
      co_await KJ_ASSERT_NONNULL(observer)->whenBecomesWritable();
    } else if (errno == EPIPE) {
      kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "nobody reads the output any more"));
    } else if (errno != EINTR) {
      throwError(ErrorKind::FAILED, kj::str("cannot write the output: ", strerror(errno)));
    }
  }
}

}  // namespace sandbridge
