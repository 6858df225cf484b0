#include "control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>

#include "base/coroutine.h"
#include "port-connector.h"
#include "stopper.h"

namespace sandbridge::localcloud::daemon {

namespace {

class ControlServer final : private kj::TaskSet::ErrorHandler {
 public:
  ControlServer(kj::LowLevelAsyncIoProvider& io, kj::UnixEventPort& events, ActiveTime& time,
                kj::Own<kj::ConnectionReceiver> port, kj::String instance)
      : io(io),
        events(events),
        time(time),
        port(kj::mv(port)),
        instance(kj::mv(instance)),
        stopper(io.getTimer()),
        tasks(*this) {}

  kj::Promise<void> run() {
    for (;;) {
      kj::Own<kj::AsyncIoStream> connection;
      try {
        connection = co_await port->accept();
      } catch (kj::Exception&) {
        // A peer that is gone already, or no descriptors left: go on a little later.
      }
      if (connection.get() == nullptr) {
        co_await io.getTimer().afterDelay(50 * kj::MILLISECONDS);
      } else {
        tasks.add(serve(kj::mv(connection)));
      }
    }
  }

 private:
  kj::LowLevelAsyncIoProvider& io;
  kj::UnixEventPort& events;
  ActiveTime& time;
  kj::Own<kj::ConnectionReceiver> port;
  kj::String instance;
  Stopper stopper;
  kj::TaskSet tasks;

  void taskFailed(kj::Exception&& e) override {}  // the server went away

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> connection) {
    char line[32] = {};
    size_t size = 0;
    while (size < sizeof line - 1 && (size == 0 || line[size - 1] != '\n')) {
      size_t n = co_await connection->tryRead(line + size, 1, sizeof line - 1 - size);
      if (n == 0) co_return;
      size += n;
    }
    kj::StringPtr request(line, size);
    kj::String answer = kj::str("failed unknown request\n");
    if (request == "hello\n") {
      sendHello(*connection);
      co_return;
    } else if (request.startsWith("connect ")) {
      auto number = strtoul(request.cStr() + strlen("connect "), nullptr, 10);
      auto result = co_await connectToPort(io, events, static_cast<uint16_t>(number));
      KJ_IF_MAYBE (socket, result.tryGet<kj::AutoCloseFd>()) {
        sendDescriptor(*connection, "connected\n", *socket);
        co_return;
      }
      answer = kj::str("failed ", result.get<kj::String>(), '\n');
    } else if (request == "stop\n") {
      time.stop();
      auto problem = co_await stopper.stop();
      KJ_IF_MAYBE (why, problem) {
        time.resume();
        answer = kj::str("failed ", *why, '\n');
      } else {
        answer = kj::str("stopped\n");
      }
    } else if (request == "continue\n") {
      stopper.resume();
      time.resume();
      answer = kj::str("continued\n");
    }
    co_await connection->write(answer.begin(), answer.size());
  }

  void sendHello(kj::AsyncIoStream& connection) {
    int fd;
    KJ_SYSCALL(fd = syscall(SYS_pidfd_open, getpid(), 0));
    kj::AutoCloseFd pidfd(fd);
    sendDescriptor(connection, kj::str("box ", instance, '\n'), pidfd);
  }

  static void sendDescriptor(kj::AsyncIoStream& connection, kj::StringPtr text, int fd) {
    int socket = KJ_ASSERT_NONNULL(connection.getFd());
    iovec part = {const_cast<char*>(text.begin()), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    // A few bytes into an empty buffer: never blocks.
    KJ_SYSCALL(sendmsg(socket, &message, MSG_NOSIGNAL));
  }
};

}  // namespace

kj::Promise<void> serveControl(kj::Own<kj::ConnectionReceiver> port, kj::LowLevelAsyncIoProvider& io,
                               kj::UnixEventPort& events, ActiveTime& time, kj::String instance) {
  auto server = kj::heap<ControlServer>(io, events, time, kj::mv(port), kj::mv(instance));
  auto promise = server->run();
  return promise.attach(kj::mv(server));
}

}  // namespace sandbridge::localcloud::daemon
