#include "sandbox/helper/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "sandbox/helper/protocol.h"

namespace sandbridge::helper {

Connection::Connection(Loop& loop, Descriptor fd) : socket(loop, *this, 0) {
  socket.take(static_cast<Descriptor&&>(fd));
  socket.want(EPOLLIN);
}

Connection::~Connection() { free(block); }

void Connection::ready(int which, uint32_t events) {
  if (!hasHeader && !receiveHeader()) return;
  while (got < size) {
    ssize_t n = recv(socket.get(), block + got, size - got, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      state = BROKEN;
      return;
    }
    got += n;
  }
  state = WHOLE;
}

bool Connection::receiveHeader() {
  Header header;
  iovec part = {&header, sizeof header};
  alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  int count = 0;
  if (n > 0) {
    cmsghdr* c = CMSG_FIRSTHDR(&message);  // there is room for one
    if (c != nullptr && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
      size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < fds; ++i) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        Descriptor owned(fd);
        if (count < 3) streams[count++] = static_cast<Descriptor&&>(owned);
      }
    }
  }
  bool good = n == sizeof header && header.magic == MAGIC && count == 3 && header.size <= MAX_REQUEST;
  if (good) block = static_cast<char*>(malloc(header.size + 1));
  if (!good || block == nullptr) {
    state = BROKEN;
    return false;
  }
  size = header.size;
  hasHeader = true;
  return true;
}

}  // namespace sandbridge::helper
