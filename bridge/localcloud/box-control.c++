#include "box-control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <kj/async-unix.h>
#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"

namespace sandbridge::localcloud {

namespace {

// Socket paths end at 108 bytes; a path through a descriptor is short whatever the folder is called.
struct ShortPath {
  kj::AutoCloseFd folder;
  sockaddr_un address = {};

  ShortPath(kj::StringPtr path, kj::StringPtr name) {
    int fd = open(path.cStr(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      throwError(ErrorKind::UNAVAILABLE, kj::str("the sandbox's folder: ", strerror(errno)));
    }
    folder = kj::AutoCloseFd(fd);
    address.sun_family = AF_UNIX;
    auto text = kj::str("/proc/self/fd/", fd, '/', name);
    strncpy(address.sun_path, text.cStr(), sizeof address.sun_path - 1);
  }
};

kj::AutoCloseFd newSocket() {
  int fd;
  KJ_SYSCALL(fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return kj::AutoCloseFd(fd);
}

}  // namespace

kj::Maybe<Packet> receivePacket(int socket) {
  char text[4096];
  iovec part = {text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do {
    n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) KJ_FAIL_SYSCALL("recvmsg", errno);
  if (n == 0) return nullptr;
  Packet packet{kj::heapString(text, n), kj::AutoCloseFd()};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      int fd;
      memcpy(&fd, CMSG_DATA(header), sizeof fd);
      packet.fd = kj::AutoCloseFd(fd);
    }
  }
  return kj::mv(packet);
}

kj::Promise<kj::Own<kj::AsyncIoStream>> connectTo(kj::LowLevelAsyncIoProvider& io,
                                                  kj::StringPtr folder, kj::StringPtr name) {
  ShortPath path(folder, name);
  auto promise = io.wrapConnectingSocketFd(
      newSocket(), reinterpret_cast<sockaddr*>(&path.address), sizeof path.address);
  return promise.catch_([](kj::Exception&&) -> kj::Own<kj::AsyncIoStream> {
    throwError(ErrorKind::UNAVAILABLE, "the sandbox's daemon does not accept connections");
  });
}

kj::Promise<Packet> askDaemon(kj::AsyncIoContext& io, kj::StringPtr folder, kj::String request,
                              kj::Duration deadline) {
  ShortPath path(folder, "control.sock");
  auto socket = newSocket();
  if (connect(socket, reinterpret_cast<sockaddr*>(&path.address), sizeof path.address) < 0 ||
      write(socket, request.begin(), request.size()) != static_cast<ssize_t>(request.size())) {
    throwError(ErrorKind::UNAVAILABLE,
               kj::str("the sandbox's daemon does not accept connections: ", strerror(errno)));
  }
  kj::UnixEventPort::FdObserver observer(io.unixEventPort, socket,
                                         kj::UnixEventPort::FdObserver::OBSERVE_READ);
  co_await io.lowLevelProvider->getTimer().timeoutAfter(deadline, observer.whenBecomesReadable());
  auto packet = receivePacket(socket);
  KJ_IF_MAYBE (p, packet) {
    co_return kj::mv(*p);
  }
  throwError(ErrorKind::UNAVAILABLE, "the sandbox's daemon hung up");
}

bool isLocked(kj::StringPtr folder) {
  int fd = open(kj::str(folder, "/lock").cStr(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  kj::AutoCloseFd owned(fd);
  return flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

kj::Maybe<kj::AutoCloseFd> findDaemon(kj::StringPtr folder, uint64_t pidNamespace) {
  ShortPath path(folder, "control.sock");
  auto socket = newSocket();
  // Succeeds on a frozen daemon too: the kernel queues it.
  if (connect(socket, reinterpret_cast<sockaddr*>(&path.address), sizeof path.address) < 0) {
    return nullptr;
  }
  ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0) return nullptr;
  int fd = syscall(SYS_pidfd_open, peer.pid, 0);
  if (fd < 0) return nullptr;
  kj::AutoCloseFd pidfd(fd);
  struct stat st;
  if (stat(kj::str("/proc/", peer.pid, "/ns/pid").cStr(), &st) < 0 || st.st_ino != pidNamespace) {
    return nullptr;
  }
  // Still its own number after the descriptor was opened, since the lock is held by it alone.
  if (!isLocked(folder)) return nullptr;
  return kj::mv(pidfd);
}

}  // namespace sandbridge::localcloud
