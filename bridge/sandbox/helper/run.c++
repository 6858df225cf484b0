#include "sandbox/helper/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "sandbox/helper/descriptor.h"
#include "sandbox/helper/input.h"
#include "sandbox/helper/protocol.h"
#include "sandbox/helper/request.h"

namespace sandbridge::helper {

namespace {

constexpr long LOOK_MS = 2;

int answer(const char* line) {
  return write(1, line, strlen(line)) < 0 ? 1 : 0;
}

Descriptor reach(const char* folder, long waitMs) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(folder) + strlen(SOCKET_NAME) >= sizeof address.sun_path) return Descriptor();
  strcpy(address.sun_path, folder);
  strcat(address.sun_path, SOCKET_NAME);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  while (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    if ((errno != ENOENT && errno != ECONNREFUSED) || waitMs <= 0) return Descriptor();
    timespec pause = {0, LOOK_MS * 1000000};
    nanosleep(&pause, nullptr);
    waitMs -= LOOK_MS;
  }
  return socket;
}

bool hasWord(char** words, size_t count, const char* wanted) {
  for (size_t i = 0; i < count && strcmp(words[i], "--") != 0; ++i) {
    if (strcmp(words[i], wanted) == 0) return true;
  }
  return false;
}

bool sendHeader(int socket, size_t size, int input) {
  Header header;
  header.size = size;
  iovec part = {&header, sizeof header};
  alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  auto rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(3 * sizeof(int));
  int streams[3] = {input, 1, 2};
  memcpy(CMSG_DATA(rights), streams, sizeof streams);
  return sendmsg(socket, &message, 0) == sizeof header;
}

bool sendAll(int socket, const char* bytes, size_t size) {
  while (size > 0) {
    ssize_t n = send(socket, bytes, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= n;
  }
  return true;
}

}  // namespace

int run(const char* folder, char** words, size_t count) {
  long waitMs = 0;
  if (count > 0 && strncmp(words[0], "await=", 6) == 0) {
    waitMs = atol(words[0] + 6);
    ++words;
    --count;
  }
  signal(SIGPIPE, SIG_IGN);
  auto socket = reach(folder, waitMs);
  if (!socket.isOpen()) return answer("n\n");

  // The kernel has put the arguments one behind the other.
  const char* begin = count > 0 ? words[0] : "";
  const char* end = count > 0 ? words[count - 1] + strlen(words[count - 1]) + 1 : begin;
  bool hasInput = hasWord(words, count, "stdin");
  Input input;
  Descriptor forCommand;
  if (hasInput && !input.open(forCommand)) return answer("n\n");
  // Half a request has no effect.
  if (!sendHeader(socket.get(), end - begin, hasInput ? forCommand.get() : 0) ||
      !sendAll(socket.get(), begin, end - begin)) {
    return answer("n\n");
  }
  forCommand.close();
  if (hasInput) input.passOn(socket.get());
  char done;
  ssize_t n;
  do n = recv(socket.get(), &done, 1, 0);
  while (n < 0 && errno == EINTR);
  // A keeper that dies resets what it has not read: then it has not begun.
  if (n < 0 && errno == ECONNRESET && !input.hasTold()) return answer("n\n");
  return n == 1 ? 0 : answer("l\n");
}

}  // namespace sandbridge::helper
