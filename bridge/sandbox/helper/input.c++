#include "sandbox/helper/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/helper/request.h"

namespace sandbridge::helper {

namespace {

// How far the bridge may be behind before it is told. It is told at once when nothing is left.
constexpr uint64_t TELL_AFTER = INPUT_WINDOW / 4;

// More bytes than any command has taken: told when it has closed its input. The daemon then says so to who writes on.
constexpr uint64_t NOBODY_READS = uint64_t(1) << 59;

static_assert((INPUT_WINDOW & (INPUT_WINDOW - 1)) == 0);
char window[INPUT_WINDOW];

// The piece from `position` on, of `n` bytes at most, that lies together in memory.
char* piece(uint64_t position, uint64_t n, size_t& size) {
  size_t at = position & (INPUT_WINDOW - 1);
  size = n < INPUT_WINDOW - at ? n : INPUT_WINDOW - at;
  return window + at;
}

}  // namespace

bool Input::open(Descriptor& forCommand) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return false;
  forCommand = Descriptor(ends[0]);
  to = Descriptor(ends[1]);
  return fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK) == 0;
}

void Input::passOn(int socket) {
  for (;;) {
    if (atEnd && received == taken) to.close();
    bool hasNews = taken - told >= TELL_AFTER || (taken != told && received == taken);
    bool hasRoom = !atEnd && received - taken < INPUT_WINDOW;
    short fromKeeper = hasNews ? POLLIN | POLLOUT : POLLIN, toCommand = received > taken ? POLLOUT : 0;
    // A descriptor of -1 is passed over; one of which nothing is wanted tells that it has no reader any more.
    pollfd fds[] = {{socket, fromKeeper, 0}, {hasRoom ? 0 : -1, POLLIN, 0}, {to.get(), toCommand, 0}};
    if (poll(fds, 3, -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (fds[0].revents & ~POLLOUT) return;
    if (fds[0].revents & POLLOUT) tell(socket);
    if (fds[1].revents != 0) receive();
    if (fds[2].revents & POLLERR) stop();
    else if (fds[2].revents & POLLOUT) give();
  }
}

void Input::receive() {
  size_t size;
  char* at = piece(received, INPUT_WINDOW - (received - taken), size);
  ssize_t n = read(0, at, size);
  if (n > 0) received += n;
  else if (n == 0 || (errno != EAGAIN && errno != EINTR)) atEnd = true;
}

void Input::give() {
  size_t size;
  const char* at = piece(taken, received - taken, size);
  ssize_t n = write(to.get(), at, size);
  if (n > 0) taken += n;
  else if (n < 0 && errno != EAGAIN && errno != EINTR) stop();
}

void Input::tell(int socket) {
  if (send(socket, &taken, sizeof taken, MSG_DONTWAIT) == sizeof taken) told = taken;
}

void Input::stop() {
  to.close();
  ::close(0);
  atEnd = true;
  taken = received = NOBODY_READS;
}

}  // namespace sandbridge::helper
