#include "sandbox/helper/operation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "sandbox/helper/launch.h"
#include "sandbox/helper/lines.h"

namespace sandbridge::helper {

namespace {

// A reader that is so far behind stops the command.
constexpr uint64_t MAX_UNREAD = 256u << 10;
static_assert(MAX_UNREAD + CHUNK <= Ring::MAX);
static_assert(MAX_COPY_BYTES + CHUNK <= Ring::MAX);

constexpr size_t BATCH = 2 * MAX_LINE;

char input[CHUNK];
char output[BATCH];

void setNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

Operation::Operation(Loop& loop, Id id, uint64_t keeper, const Children& children)
    : id(id),
      keeper(keeper),
      children(children),
      out(loop, *this, OUT_PIPE, OUT_SINK),
      err(loop, *this, ERR_PIPE, ERR_SINK),
      socket(loop, *this, SOCKET) {}

Operation::~Operation() { detach(); }

bool Operation::start(const Request& request, char** variables, int in) {
  merge = request.merge;
  int outPipe[2], errPipe[2] = {-1, -1};
  if (pipe2(outPipe, O_CLOEXEC) < 0) return false;
  Descriptor outRead(outPipe[0]), outWrite(outPipe[1]);
  if (!merge && pipe2(errPipe, O_CLOEXEC) < 0) return false;
  Descriptor errRead(errPipe[0]), errWrite(errPipe[1]);
  if (request.copy.path != nullptr) copy.setUp(request.copy);
  pid = launch(request, variables, in, outWrite.get(), merge ? outWrite.get() : errWrite.get());
  if (pid < 0) return false;
  setNonBlocking(outRead.get());
  out.pipe.take(static_cast<Descriptor&&>(outRead));
  if (merge) {
    err.eof = true;
  } else {
    setNonBlocking(errRead.get());
    err.pipe.take(static_cast<Descriptor&&>(errRead));
  }
  listen(out);
  listen(err);
  return true;
}

bool Operation::attach(const Request& request, Descriptor to, Descriptor outSink, Descriptor errSink) {
  auto has = [](const Stream& stream, const Position& from) {
    return from.byte >= stream.ring.begin() && from.byte <= stream.ring.end();
  };
  if (!has(out, request.out) || !has(err, request.err)) return false;
  detach();
  out.sent = request.out;
  err.sent = request.err;
  startSent = statusSent = out.endSent = err.endSent = false;
  err.endSent = merge;
  setNonBlocking(outSink.get());
  setNonBlocking(errSink.get());
  out.sink.take(static_cast<Descriptor&&>(outSink));
  err.sink.take(static_cast<Descriptor&&>(errSink));
  socket.take(static_cast<Descriptor&&>(to));
  socket.want(request.keepStdin ? EPOLLIN | EPOLLRDHUP : EPOLLRDHUP);
  return true;
}

void Operation::ready(int which, uint32_t events) {
  switch (which) {
    case OUT_PIPE: return receive(out);
    case ERR_PIPE: return receive(err);
    case OUT_SINK:
    case ERR_SINK: return;  // send() follows
    case SOCKET: return events & EPOLLIN ? hear() : detach();
  }
}

// What `run` tells of the command's input.
void Operation::hear() {
  uint64_t taken;
  ssize_t n = recv(socket.get(), &taken, sizeof taken, MSG_DONTWAIT);
  if (n == sizeof taken) inputTaken = taken;
  else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) detach();
}

void Operation::receive(Stream& stream) {
  ssize_t n = read(stream.pipe.get(), input, sizeof input);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) {
    stream.ring.append(input, n);
    if (&stream == &out) copy.add(stream.ring, input, n);
  } else {
    stream.eof = true;
    stream.pipe.close();
    if (&stream == &out) stream.ring.append(copy.notice(), strlen(copy.notice()));
  }
}

void Operation::listen(Stream& stream) {
  if (!stream.pipe.isOpen()) return;
  bool full = isRead() && stream.ring.end() - stream.sent.byte >= MAX_UNREAD;
  stream.pipe.want(full ? 0 : uint32_t(EPOLLIN));
}

void Operation::exited(bool wasSignaled, unsigned newValue) {
  hasStatus = true;
  signaled = wasSignaled;
  value = newValue;
  // As OpenCode does: what a failed command has left in the background ends with it.
  if (signaled || value != 0) kill(-pid, SIGTERM);
}

void Operation::send(bool late) {
  if (isRead()) {
    bool hasOutput = out.sent.byte < out.ring.end() || err.sent.byte < err.ring.end() ||
                     out.pending != nullptr || err.pending != nullptr;
    bool hasLines = !startSent || (out.eof && !out.endSent) || (err.eof && !err.endSent);
    held = hasLines && !hasOutput && !isOver() && !late;
    if (!held && (!flush(out) || !flush(err))) detach();
    if (statusSent && err.endSent && out.pending == nullptr && err.pending == nullptr) {
      char done = 'd';
      if (write(socket.get(), &done, 1) < 0) {}  // `run` has gone: it will not be missed
      detach();
    }
  } else {
    held = false;
  }
  listen(out);
  listen(err);
}

bool Operation::flush(Stream& stream) {
  for (;;) {
    const char* from = output;
    size_t size;
    if (stream.pending != nullptr) {
      from = stream.pending + stream.pendingAt;
      size = stream.pendingSize - stream.pendingAt;
    } else {
      size = compose(stream, output);
      if (size == 0) {
        stream.sink.want(0);
        return true;
      }
    }
    ssize_t n = write(stream.sink.get(), from, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) n = 0;
    bool whole = static_cast<size_t>(n) == size;
    if (stream.pending != nullptr) {
      stream.pendingAt += n;
      if (whole) {
        free(stream.pending);
        stream.pending = nullptr;
      }
    } else if (!whole) {
      stream.pending = static_cast<char*>(malloc(size - n));
      if (stream.pending == nullptr) return false;
      memcpy(stream.pending, from + n, size - n);
      stream.pendingAt = 0;
      stream.pendingSize = size - n;
    }
    if (!whole) {
      stream.sink.want(EPOLLOUT);
      return true;
    }
  }
}

size_t Operation::compose(Stream& stream, char* buffer) {
  bool isOut = &stream == &out;
  char* to = buffer;
  auto hasRoom = [&]() { return to + MAX_LINE <= buffer + BATCH; };
  if (isOut && !startSent) {
    to = putStarted(to, pid, keeper);
    startSent = true;
  }
  if (isOut && inputTold != inputTaken) {
    to = putInputTaken(to, inputTaken);
    inputTold = inputTaken;
  }
  while (hasRoom() && stream.sent.byte < stream.ring.end()) {
    size_t n;
    auto from = stream.ring.at(stream.sent.byte, n);
    if (n > CHUNK) n = CHUNK;
    to = putData(to, stream.sent.line++, from, n);
    stream.sent.byte += n;
  }
  if (hasRoom() && stream.eof && !stream.endSent && stream.sent.byte == stream.ring.end()) {
    to = putEnd(to, stream.sent.line);
    stream.endSent = true;
  }
  if (hasRoom() && isOut && stream.endSent && isOver() && !statusSent) {
    if (children.leftBehind()) to = putLeftBehind(to);
    to = putStatus(to, signaled, value);
    statusSent = true;
  }
  return to - buffer;
}

void Operation::detach() {
  Stream* streams[] = {&out, &err};
  for (Stream* stream : streams) {
    stream->sink.close();
    free(stream->pending);
    stream->pending = nullptr;
  }
  socket.close();
}

}  // namespace sandbridge::helper
