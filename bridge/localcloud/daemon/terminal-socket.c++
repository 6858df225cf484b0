#include "terminal-socket.h"

#include <string.h>

#include "base/coroutine.h"

namespace sandbridge::localcloud::daemon {

namespace {

// As in TensorLake's daemon.
constexpr size_t MAX_MESSAGE = 64u << 10;
constexpr size_t MAX_BEFORE_READY = 1u << 20;
constexpr size_t MAX_TYPED_IN_A_SECOND = 1u << 20;

// How long a client may take to answer our closing, or to take the last bytes of a session that is forgotten.
constexpr kj::Duration CLOSE_GRACE = 5 * kj::SECONDS;

enum ClientOpcode : kj::byte { INPUT = 0, RESIZE = 1, READY = 2 };
enum ServerOpcode : kj::byte { OUTPUT = 0, EXIT = 3 };

constexpr uint16_t NORMAL = 1000, GOING_AWAY = 1001, POLICY = 1008, TOO_LARGE = 1009;

class TerminalSocket {
 public:
  TerminalSocket(Terminal& terminal, kj::WebSocket& socket, kj::Timer& timer)
      : terminal(terminal),
        socket(socket),
        timer(timer),
        visit(terminal),
        cursor(terminal.output()),
        secondBegan(timer.now()) {}

  kj::Promise<void> run() {
    // Rejects when the client is gone, resolves when it has closed.
    auto receiving = receive().fork();
    auto gone = receiving.addBranch().then([]() -> kj::Promise<void> { return kj::NEVER_DONE; });
    // One that does not even take the end of a session is cut off.
    auto stuck = terminal.onForgotten().then([this]() { return timer.afterDelay(CLOSE_GRACE); });
    co_await send().exclusiveJoin(kj::mv(gone)).exclusiveJoin(kj::mv(stuck));
    co_await receiving.addBranch().exclusiveJoin(timer.afterDelay(CLOSE_GRACE));
  }

 private:
  Terminal& terminal;
  kj::WebSocket& socket;
  kj::Timer& timer;
  Terminal::Visit visit;
  TerminalOutput::Cursor cursor;

  bool ready = false;
  kj::Maybe<kj::WebSocket::Close> farewell;  // decided; send() says it
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> sender;

  kj::TimePoint secondBegan;
  size_t typedInSecond = 0;

  void wakeSender() {
    KJ_IF_MAYBE (s, sender) { (*s)->fulfill(); }
    sender = nullptr;
  }

  void close(uint16_t code, kj::StringPtr reason) {
    if (farewell == nullptr) farewell = kj::WebSocket::Close{code, kj::str(reason)};
    wakeSender();
  }

  // Only here is anything sent, one message at a time.
  kj::Promise<void> send() {
    kj::Vector<kj::byte> frame;
    for (;;) {
      bool over = terminal.output().ended();
      if (cursor.isLost()) {
        close(POLICY, "output lagged");
      } else if (!ready && cursor.unread() > MAX_BEFORE_READY) {
        close(POLICY, "pre-ready buffer overflow");
      } else if (over && terminal.wasTerminated() && (!ready || cursor.unread() == 0)) {
        close(GOING_AWAY, "session terminated");
      }
      KJ_IF_MAYBE (f, farewell) {
        co_await socket.close(f->code, f->reason);
        co_return;
      }
      if (ready && cursor.unread() > 0) {
        auto bytes = cursor.peek();
        frame.clear();
        frame.add(OUTPUT);
        frame.addAll(bytes);
        cursor.advance(bytes.size());
        co_await socket.send(frame.asPtr().asConst());
        continue;
      }
      if (ready && over) {
        int code = terminal.exitCode().orDefault(-1);
        auto bits = static_cast<uint32_t>(code);
        const kj::byte exit[] = {EXIT, kj::byte(bits >> 24), kj::byte(bits >> 16), kj::byte(bits >> 8),
                                 kj::byte(bits)};
        co_await socket.send(kj::arrayPtr(exit, sizeof exit));
        close(NORMAL, kj::str("exit:", code));
        continue;
      }
      auto paf = kj::newPromiseAndFulfiller<void>();
      sender = kj::mv(paf.fulfiller);
      co_await terminal.output().whenChanged().exclusiveJoin(kj::mv(paf.promise));
    }
  }

  kj::Promise<void> receive() {
    for (;;) {
      kj::Maybe<kj::Exception> failure;
      kj::WebSocket::Message message;
      try {
        message = co_await socket.receive(MAX_MESSAGE + 1);  // the library's limit is exclusive
      } catch (kj::Exception& e) {
        failure = kj::mv(e);
      }
      KJ_IF_MAYBE (e, failure) {
        if (e->getType() == kj::Exception::Type::DISCONNECTED) kj::throwFatalException(kj::mv(*e));
        close(TOO_LARGE, "the message is too large or malformed");
        co_return;
      }
      if (message.is<kj::WebSocket::Close>()) {
        auto& theirs = message.get<kj::WebSocket::Close>();
        close(theirs.code, theirs.reason);
        co_return;
      }
      if (message.is<kj::Array<kj::byte>>()) co_await handle(message.get<kj::Array<kj::byte>>());
    }
  }

  kj::Promise<void> handle(kj::ArrayPtr<const kj::byte> message) {
    if (message.size() == 0) return kj::READY_NOW;
    switch (message[0]) {
      case INPUT:
        return type(message.slice(1, message.size()));
      case RESIZE:
        if (message.size() >= 5) {
          auto number = [&](size_t at) { return static_cast<uint16_t>(message[at] << 8 | message[at + 1]); };
          terminal.resize({number(3), number(1)});
        }
        return kj::READY_NOW;
      case READY:
        if (!ready) {
          ready = true;
          wakeSender();
        }
        return kj::READY_NOW;
      default:
        return kj::READY_NOW;
    }
  }

  kj::Promise<void> type(kj::ArrayPtr<const kj::byte> bytes) {
    auto now = timer.now();
    if (now - secondBegan >= 1 * kj::SECONDS) {
      secondBegan = now;
      typedInSecond = 0;
    }
    typedInSecond += bytes.size();
    if (typedInSecond > MAX_TYPED_IN_A_SECOND) {
      close(POLICY, "input rate limit exceeded");
      return kj::READY_NOW;
    }
    return terminal.write(bytes);
  }
};

}  // namespace

kj::Promise<void> serveTerminal(kj::Own<Terminal> terminal, kj::WebSocket& socket, kj::Timer& timer) {
  TerminalSocket session(*terminal, socket, timer);
  co_await session.run();
}

}  // namespace sandbridge::localcloud::daemon
