#include "port-connector.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kj/debug.h>

#include "base/coroutine.h"

namespace sandbridge::localcloud::daemon {

namespace {

// Only a listener whose queue is full keeps us waiting.
constexpr kj::Duration DEADLINE = 5 * kj::SECONDS;

// The error number, or 0 and a connected socket.
kj::Promise<int> tryConnect(kj::LowLevelAsyncIoProvider& io, kj::UnixEventPort& events, const sockaddr* address,
                            socklen_t size, kj::AutoCloseFd& result) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) co_return errno;
  kj::AutoCloseFd owned(fd);
  if (connect(fd, address, size) < 0) {
    if (errno != EINPROGRESS) co_return errno;
    kj::UnixEventPort::FdObserver observer(events, fd, kj::UnixEventPort::FdObserver::OBSERVE_WRITE);
    auto late = io.getTimer().afterDelay(DEADLINE).then([]() { return true; });
    if (co_await observer.whenBecomesWritable().then([]() { return false; }).exclusiveJoin(kj::mv(late))) {
      co_return ETIMEDOUT;
    }
    int error = 0;
    socklen_t length = sizeof error;
    KJ_SYSCALL(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    if (error != 0) co_return error;
  }
  int on = 1;
  KJ_SYSCALL(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  result = kj::mv(owned);
  co_return 0;
}

}  // namespace

kj::Promise<kj::OneOf<kj::AutoCloseFd, kj::String>> connectToPort(kj::LowLevelAsyncIoProvider& io,
                                                                  kj::UnixEventPort& events, uint16_t port) {
  using Result = kj::OneOf<kj::AutoCloseFd, kj::String>;
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v4.sin_port = htons(port);
  kj::AutoCloseFd socket;
  int error = co_await tryConnect(io, events, reinterpret_cast<sockaddr*>(&v4), sizeof v4, socket);
  if (error == ECONNREFUSED) {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = htons(port);
    error = co_await tryConnect(io, events, reinterpret_cast<sockaddr*>(&v6), sizeof v6, socket);
    // Without IPv6 there is nothing more to say than before.
    if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) error = ECONNREFUSED;
  }
  if (error == 0) co_return Result(kj::mv(socket));
  if (error == ECONNREFUSED) co_return Result(kj::str("nothing listens on port ", port));
  if (error == ETIMEDOUT) co_return Result(kj::str("port ", port, " does not take the connection"));
  co_return Result(kj::str("port ", port, " cannot be reached: ", strerror(error)));
}

}  // namespace sandbridge::localcloud::daemon
