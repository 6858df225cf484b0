#include "net/websocket-relay.h"

#include "base/coroutine.h"

#include <kj/debug.h>
#include <string.h>

namespace sandbridge {
namespace {

// How long one direction may outlive the other: a closing side answers at once.
constexpr auto CLOSE_GRACE = 5 * kj::SECONDS;
constexpr auto FAREWELL_DEADLINE = 1 * kj::SECONDS;
// All that fits into a close frame beside its code.
constexpr size_t MAX_REASON = 123;

constexpr uint16_t GOING_AWAY = 1001;
constexpr uint16_t PROTOCOL_ERROR = 1002;
constexpr uint16_t NO_CODE = 1005;
constexpr uint16_t TOO_LARGE = 1009;

bool mayBeSent(uint16_t code) {
  return code >= 1000 && code <= 4999 && code != 1004 && code != 1006 && code != 1015;
}

}  // namespace

WebSocketRelay::WebSocketRelay(kj::Own<kj::WebSocket> aParam, kj::Own<kj::WebSocket> bParam,
                               kj::Timer& timer, kj::Function<void()> onMessage)
    : timer(timer), onMessage(kj::mv(onMessage)) {
  a.socket = kj::mv(aParam);
  b.socket = kj::mv(bParam);
}

kj::Promise<void> WebSocketRelay::run() {
  auto there = pass(a, b).fork(), back = pass(b, a).fork();
  co_await there.addBranch().exclusiveJoin(back.addBranch());
  if (broken) co_return;
  kj::Vector<kj::Promise<void>> both;
  both.add(there.addBranch());
  both.add(back.addBranch());
  co_await kj::joinPromises(both.releaseAsArray()).exclusiveJoin(timer.afterDelay(CLOSE_GRACE));
}

kj::Promise<void> WebSocketRelay::pass(Side& from, Side& to) {
  kj::Maybe<kj::Exception> failure;
  try {
    while (co_await passOne(from, to)) onMessage();
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE (e, failure) {
    broken = true;
    if (e->getType() == kj::Exception::Type::DISCONNECTED) {
      co_await close(GOING_AWAY, "the connection broke off");
    } else if (strstr(e->getDescription().cStr(), "too large") != nullptr) {
      // The library tells its complaints apart by their words only.
      co_await close(TOO_LARGE, "the message is too large");
    } else {
      co_await close(PROTOCOL_ERROR, "malformed WebSocket frame");
    }
  }
}

kj::Promise<bool> WebSocketRelay::passOne(Side& from, Side& to) {
  // The library's limit is exclusive.
  auto message = co_await from.socket->receive(MAX_MESSAGE + 1);
  if (message.is<kj::WebSocket::Close>()) {
    auto& closing = message.get<kj::WebSocket::Close>();
    bool silent = closing.code == NO_CODE || !mayBeSent(closing.code);
    co_await tell(to, silent ? NO_CODE : closing.code,
                  silent || closing.reason.size() > MAX_REASON ? ""_kj : closing.reason.asPtr());
    co_return false;
  }
  to.sending = true;
  if (message.is<kj::String>()) {
    co_await to.socket->send(message.get<kj::String>().asArray());
  } else {
    co_await to.socket->send(message.get<kj::Array<kj::byte>>().asPtr());
  }
  to.sending = false;
  co_return true;
}

kj::Promise<void> WebSocketRelay::tell(Side& side, uint16_t code, kj::StringPtr reason) {
  if (side.sending || side.closed) co_return;
  side.sending = side.closed = true;
  co_await side.socket->close(code, reason);
  side.sending = false;
}

kj::Promise<void> WebSocketRelay::close(uint16_t code, kj::StringPtr reason) {
  auto ignore = [](kj::Exception&&) {};  // it is gone already: there is nobody to tell
  kj::Vector<kj::Promise<void>> both;
  both.add(tell(a, code, reason).catch_(ignore));
  both.add(tell(b, code, reason).catch_(ignore));
  co_await kj::joinPromises(both.releaseAsArray()).exclusiveJoin(timer.afterDelay(FAREWELL_DEADLINE));
}

}  // namespace sandbridge
