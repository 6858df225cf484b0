#include "localcloud/tcp-tunnel.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "localcloud/box-port.h"

#include <kj/debug.h>
#include <kj/encoding.h>

#include <string.h>

namespace sandbridge::localcloud {

namespace {

constexpr size_t CHUNK = 64 << 10;
constexpr size_t MAX_MESSAGE = 1 << 20;
// For the last frames to get through, and for the other side's answer to a close frame.
constexpr kj::Duration CLOSE_GRACE = 5 * kj::SECONDS;

constexpr uint16_t NORMAL = 1000, GOING_AWAY = 1001, PROTOCOL_ERROR = 1002, UNSUPPORTED = 1003, NO_CODE = 1005,
                   TOO_LARGE = 1009, INTERNAL_ERROR = 1011;

kj::Maybe<uint16_t> portOf(kj::StringPtr url) {
  kj::Maybe<uint16_t> port;
  auto query = url.slice(kj::min(url.size(), url.findFirst('?').orDefault(url.size()) + 1));
  constexpr auto KEY = "port="_kj;
  while (query.size() > 0) {
    auto end = query.findFirst('&').orDefault(query.size());
    if (query.startsWith(KEY)) {
      auto value = kj::decodeWwwForm(query.slice(KEY.size(), end));
      KJ_IF_MAYBE(number, parseDecimal(value, UINT16_MAX)) {
        if (*number > 0) port = static_cast<uint16_t>(*number);
      }
    }
    query = query.slice(kj::min(query.size(), end + 1));
  }
  return port;
}

struct Farewell {
  uint16_t code;
  kj::StringPtr reason;
};

class Tunnel {
 public:
  Tunnel(kj::Timer& timer, Sandbox& sandbox, kj::AsyncIoStream& port, kj::WebSocket& client)
      : timer(timer), sandbox(sandbox), port(port), client(client) {}

  // Until either side has ended, and the client has been told.
  kj::Promise<void> run() {
    auto down = toClient().fork();
    auto farewell = co_await fromClient().exclusiveJoin(down.addBranch().then([this]() { return portFarewell; }));
    // A frame that is on its way must not be cut: nothing could be said after half of it.
    reading.cancel("the tunnel closes");
    co_await down.addBranch().exclusiveJoin(timer.afterDelay(CLOSE_GRACE));
    co_await close(farewell);
  }

  // Instead, when run() was dropped.
  kj::Promise<void> close(Farewell farewell) {
    if (sending) co_return;
    co_await answerClose(farewell).catch_([](kj::Exception&&) {}).exclusiveJoin(timer.afterDelay(CLOSE_GRACE));
  }

 private:
  kj::Timer& timer;
  Sandbox& sandbox;
  kj::AsyncIoStream& port;
  kj::WebSocket& client;
  kj::Canceler reading;
  bool sending = false;        // stays so when the send was dropped
  bool clientClosed = false;
  Farewell portFarewell = {NORMAL, ""_kj};

  // Never rejects.
  kj::Promise<void> toClient() {
    auto buffer = kj::heapArray<kj::byte>(CHUNK);
    try {
      for (;;) {
        auto n = co_await reading.wrap(port.tryRead(buffer.begin(), 1, buffer.size()));
        if (n == 0) co_return;
        sandbox.touch();
        sending = true;
        co_await client.send(buffer.slice(0, n));
        sending = false;
      }
    } catch (kj::Exception&) {
      portFarewell = {INTERNAL_ERROR, "the connection inside the sandbox broke off"_kj};
    }
  }

  kj::Promise<Farewell> fromClient() {
    bool taken = true;
    for (;;) {
      kj::Maybe<kj::WebSocket::Message> received;
      kj::Maybe<Farewell> broken;
      try {
        received = co_await client.receive(MAX_MESSAGE + 1);  // the library's limit is exclusive
      } catch (kj::Exception& e) {
        bool tooLarge = strstr(e.getDescription().cStr(), "too large") != nullptr;
        broken = tooLarge ? Farewell{TOO_LARGE, "the message is too large"_kj}
                          : Farewell{PROTOCOL_ERROR, "malformed WebSocket frame"_kj};
      }
      KJ_IF_MAYBE(farewell, broken) co_return *farewell;
      auto& message = KJ_ASSERT_NONNULL(received);
      if (message.is<kj::WebSocket::Close>()) {
        clientClosed = true;
        auto code = message.get<kj::WebSocket::Close>().code;
        co_return Farewell{code == NO_CODE ? NO_CODE : NORMAL, ""_kj};
      }
      if (message.is<kj::String>()) co_return Farewell{UNSUPPORTED, "a tunnel takes binary frames only"_kj};
      sandbox.touch();
      auto& bytes = message.get<kj::Array<kj::byte>>();
      // What listens there may have stopped reading and still have something to say: its end is for toClient() to see.
      if (taken && bytes.size() > 0) {
        try {
          co_await port.write(bytes.begin(), bytes.size());
        } catch (kj::Exception&) {
          taken = false;
        }
      }
    }
  }

  kj::Promise<void> answerClose(Farewell farewell) {
    co_await client.close(farewell.code, farewell.reason);
    // Whatever still comes is nobody's.
    while (!clientClosed) {
      auto message = co_await client.receive(MAX_MESSAGE + 1);
      clientClosed = message.is<kj::WebSocket::Close>();
    }
  }
};

}  // namespace

kj::Promise<void> serveTcpTunnel(kj::Timer& timer, const kj::HttpHeaderTable& table, kj::Own<Sandbox> sandbox,
                                 kj::String url, bool isWebSocket, kj::HttpService::Response& response) {
  if (!isWebSocket) {
    co_await replyError(response, table, {400, "INVALID_REQUEST"_kj, kj::str("a tunnel is a WebSocket")});
    co_return;
  }
  auto port = portOf(url);
  if (port == nullptr) {
    co_await replyError(response, table, {400, "INVALID_REQUEST"_kj,
        kj::str("name the port: ", TUNNEL_PATH, "?port=N, from 1 to ", UINT16_MAX)});
    co_return;
  }
  auto opened = co_await openPort(*sandbox, KJ_ASSERT_NONNULL(port));
  KJ_IF_MAYBE(refusal, opened.tryGet<Refusal>()) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }
  auto& stream = *opened.get<kj::Own<kj::AsyncIoStream>>();
  auto client = response.acceptWebSocket(kj::HttpHeaders(table));
  Tunnel tunnel(timer, *sandbox, stream, *client);
  kj::Maybe<kj::Exception> cut;
  co_await sandbox->streams.wrap(tunnel.run()).catch_([&](kj::Exception&& e) { cut = kj::mv(e); });
  KJ_IF_MAYBE(e, cut) {
    auto reason = kj::heapString(e->getDescription());
    co_await tunnel.close({GOING_AWAY, reason});
  }
}

}  // namespace sandbridge::localcloud
