#pragma once
// A TCP server for tests that says exactly the bytes it is told, so that it can be wrong in every way.

#include "base/coroutine.h"

#include <kj/async-io.h>
#include <kj/debug.h>
#include <kj/vector.h>

#include <string>

namespace sandbridge {

// One accepted connection.
class RawConnection {
 public:
  explicit RawConnection(kj::Own<kj::AsyncIoStream> stream) : stream(kj::mv(stream)) {}

  // Reads up to and with the empty line; what follows it stays unread.
  kj::Promise<std::string> readHead() {
    std::string head;
    while (head.size() < 4 || head.compare(head.size() - 4, 4, "\r\n\r\n") != 0) {
      char c;
      if (co_await stream->tryRead(&c, 1, 1) == 0) break;
      head += c;
    }
    co_return head;
  }

  kj::Promise<std::string> readExactly(size_t size) {
    std::string text(size, '\0');
    auto n = co_await stream->tryRead(text.data(), size, size);
    text.resize(n);
    co_return text;
  }

  // Everything until the peer ends or resets the connection.
  kj::Promise<std::string> readToEnd() {
    std::string text;
    char chunk[4096];
    for (;;) {
      size_t n = 0;
      try {
        n = co_await stream->tryRead(chunk, 1, sizeof(chunk));
      } catch (kj::Exception& e) {
        if (e.getType() != kj::Exception::Type::DISCONNECTED) throw;
      }
      if (n == 0) co_return text;
      text.append(chunk, n);
    }
  }

  kj::Promise<void> write(std::string text) {
    co_await stream->write(text.data(), text.size());
  }

  kj::Own<kj::AsyncIoStream> stream;
};

class RawServer {
 public:
  explicit RawServer(kj::AsyncIoContext& io)
      : receiver(io.provider->getNetwork()
                     .parseAddress("127.0.0.1")
                     .wait(io.waitScope)
                     ->listen()) {}

  unsigned port() { return receiver->getPort(); }
  kj::String url(kj::StringPtr path = "/", kj::StringPtr scheme = "http") {
    return kj::str(scheme, "://127.0.0.1:", port(), path);
  }

  kj::Promise<RawConnection> accept() {
    co_return RawConnection(co_await receiver->accept());
  }

  kj::Own<kj::ConnectionReceiver> receiver;
};

}  // namespace sandbridge
