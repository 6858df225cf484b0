#include "box-launch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kj/async-unix.h>
#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "box-control.h"
#include "box-image.h"

namespace sandbridge::localcloud {

namespace {

// Longer than every wait of the launcher's own.
constexpr kj::Duration DEADLINE = 20 * kj::SECONDS;

void killThrough(int pidfd) { syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0); }

// Makes sure that an abandoned start leaves nothing running: neither the launcher nor a box that it had just finished.
struct Attempt {
  kj::AutoCloseFd launcher;
  kj::AutoCloseFd socket;
  bool done = false;

  ~Attempt() noexcept {
    if (launcher == nullptr) return;
    if (!done) killThrough(launcher);
    // It ends at once: it has answered, or it was killed.
    pollfd wait = {launcher, POLLIN, 0};
    poll(&wait, 1, 1000);
    collect(launcher);
    if (done) return;
    auto late = kj::runCatchingExceptions([&]() {
      auto packet = receivePacket(socket);
      KJ_IF_MAYBE (p, packet) {
        if (p->fd != nullptr) killThrough(p->fd);
      }
    });
    (void)late;  // nothing was in the socket
  }
};

}  // namespace

kj::Promise<bool> collectWhenEnded(kj::UnixEventPort& port, kj::AutoCloseFd pidfd) {
  kj::UnixEventPort::FdObserver observer(port, pidfd,
                                         kj::UnixEventPort::FdObserver::OBSERVE_READ);
  for (;;) {
    pollfd now = {pidfd, POLLIN, 0};
    if (poll(&now, 1, 0) > 0) break;
    co_await observer.whenBecomesReadable();
  }
  co_return collect(pidfd);
}

kj::Promise<Launched> launchBox(kj::AsyncIoContext& io, int image, LaunchSpec spec) {
  int pair[2];
  KJ_SYSCALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
  kj::AutoCloseFd theirs(pair[1]);
  Attempt attempt{kj::AutoCloseFd(), kj::AutoCloseFd(pair[0])};

  kj::Vector<kj::String> arguments;
  arguments.add(kj::str("launch"));
  arguments.add(kj::str(3));
  for (auto& argument : spec.toArguments()) arguments.add(kj::mv(argument));
  attempt.launcher = spawnBoxImage(image, arguments, {theirs.get()});
  theirs = nullptr;

  kj::UnixEventPort::FdObserver observer(io.unixEventPort, attempt.socket,
                                         kj::UnixEventPort::FdObserver::OBSERVE_READ);
  co_await io.lowLevelProvider->getTimer().timeoutAfter(DEADLINE, observer.whenBecomesReadable());
  auto packet = receivePacket(attempt.socket);
  attempt.done = true;
  KJ_IF_MAYBE (p, packet) {
    if (p->text.startsWith("error ")) throwError(ErrorKind::FAILED, p->text.slice(6));
    if (p->text.startsWith("ok ") && p->fd != nullptr) {
      auto json = parseJson(p->text.slice(3));
      KJ_REQUIRE(json.IsObject() && json.HasMember("pidNamespace") &&
                 json["pidNamespace"].IsUint64());
      co_return Launched{kj::mv(attempt.launcher), kj::mv(p->fd), json["pidNamespace"].GetUint64(),
                         json.HasMember("systemWritable") && json["systemWritable"].IsTrue()};
    }
  }
  throwError(ErrorKind::FAILED, "the launcher ended without an answer");
}

}  // namespace sandbridge::localcloud
