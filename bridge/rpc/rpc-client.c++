#include "rpc/rpc-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "rpc/rpc-service.h"

#include <kj/compat/tls.h>
#include <kj/compat/url.h>
#include <kj/debug.h>
#include <sys/random.h>

namespace sandbridge {
namespace {

constexpr kj::Duration CONNECT_TIMEOUT = 10 * kj::SECONDS;

// Masks WebSocket frames.
class Entropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    while (buffer.size() > 0) {
      ssize_t n;
      KJ_SYSCALL(n = getrandom(buffer.begin(), kj::min(buffer.size(), 256u), 0));
      buffer = buffer.slice(n, buffer.size());
    }
  }
};

struct Target {
  bool tls;
  kj::String host;     // with the port, where one is given
  kj::String name;     // without it
  kj::String path;
};

Target parseTarget(kj::StringPtr url) {
  auto bad = [&]() {
    throwError(ErrorKind::INVALID_ARGUMENT,
               kj::str("\"", url, "\" is no address of a bridge: it looks like ws://127.0.0.1:8787/rpc"));
  };
  Target target;
  KJ_IF_MAYBE(parsed, kj::Url::tryParse(url)) {
    if (parsed->scheme == "ws") {
      target.tls = false;
    } else if (parsed->scheme == "wss") {
      target.tls = true;
    } else {
      bad();
    }
    if (parsed->host.size() == 0 || parsed->userInfo != nullptr) bad();
    target.host = kj::str(parsed->host);
    target.path = parsed->toString(kj::Url::HTTP_REQUEST);
  } else {
    bad();
  }
  target.name = kj::str(target.host);
  KJ_IF_MAYBE(colon, target.host.findLast(':')) {
    if (target.host.slice(*colon).findFirst(']') == nullptr) target.name = kj::heapString(target.host.slice(0, *colon));
  }
  return target;
}

class RpcClientImpl final : public RpcClient {
 public:
  // `below`: what the socket runs on.
  template <typename Below>
  RpcClientImpl(kj::Own<Below> below, kj::Own<kj::WebSocket> socket)
      : below(kj::mv(below)), connection(kj::mv(socket)) {}

  api::SandboxRpcApi::Client api() override {
    return connection.bootstrap().castAs<api::SandboxRpcApi>();
  }
  kj::Promise<void> onDisconnect() override { return connection.onDisconnect(); }

 private:
  kj::Own<void> below;
  RpcConnection connection;
};

// What a connection needs for as long as it lives, in the order in which it is built.
struct Below {
  kj::HttpHeaderTable::Builder builder;
  kj::HttpHeaderId authorization = builder.add("Authorization");
  kj::Own<kj::HttpHeaderTable> table = builder.build();
  Entropy entropy;
  kj::Own<kj::TlsContext> tls;
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<kj::HttpClient> http;
};

kj::Promise<kj::Own<kj::AsyncIoStream>> dial(kj::Network& network, const Target& target) {
  auto address = co_await network.parseAddress(target.host, target.tls ? 443 : 80);
  co_return co_await address->connect();
}

kj::Exception unreachable(kj::StringPtr url, const kj::Exception& cause) {
  return makeError(ErrorKind::UNAVAILABLE,
                   kj::str("no bridge at ", url, " (", textOf(cause), "): start one with `sandbridge serve`, or set "
                           "SANDBRIDGE_URL to where it is"));
}

kj::Promise<kj::Own<RpcClient>> connect(kj::Network& network, kj::String url, kj::String token) {
  auto target = parseTarget(url);
  if (token.size() == 0 || !kj::HttpHeaders::isValidHeaderValue(token)) {
    throwError(ErrorKind::INVALID_ARGUMENT, "the token is empty or holds a line break");
  }
  auto below = kj::heap<Below>();
  kj::Maybe<kj::Exception> failure;
  kj::Maybe<kj::HttpClient::WebSocketResponse> answer;
  try {
    below->stream = co_await dial(network, target);
    setKeepAlive(*below->stream);
    if (target.tls) {
      below->tls = kj::heap<kj::TlsContext>();
      below->stream = co_await below->tls->wrapClient(kj::mv(below->stream), target.name);
    }
    kj::HttpClientSettings settings;
    settings.entropySource = below->entropy;
    below->http = kj::newHttpClient(*below->table, *below->stream, settings);
    kj::HttpHeaders headers(*below->table);
    headers.set(kj::HttpHeaderId::HOST, kj::str(target.host));
    headers.set(below->authorization, kj::str("Bearer ", token));
    answer = co_await below->http->openWebSocket(target.path, headers);
  } catch (kj::Exception& e) {
    failure = unreachable(url, e);
  }
  KJ_IF_MAYBE(e, failure) { kj::throwFatalException(kj::mv(*e)); }
  auto& response = KJ_ASSERT_NONNULL(answer);
  KJ_IF_MAYBE(socket, response.webSocketOrBody.tryGet<kj::Own<kj::WebSocket>>()) {
    kj::Own<RpcClient> client = kj::heap<RpcClientImpl>(kj::mv(below), kj::mv(*socket));
    co_return kj::mv(client);
  }
  if (response.statusCode == 401) {
    throwError(ErrorKind::DENIED,
               kj::str("the bridge at ", url, " refuses the token: set SANDBRIDGE_TOKEN, or SANDBRIDGE_TOKEN_FILE to the "
                       "bridge's token file"));
  }
  throwError(ErrorKind::FAILED,
             kj::str(url, " answered ", response.statusCode, " ", response.statusText,
                     ", as no bridge does: check SANDBRIDGE_URL"));
}

}  // namespace

kj::Promise<kj::Own<RpcClient>> connectRpc(kj::Network& network, kj::Timer& timer, kj::String url,
                                           kj::String token) {
  auto late = makeError(ErrorKind::UNAVAILABLE,
                        kj::str("no answer from ", url, " within 10 s: is that the bridge's address?"));
  auto timeout = timer.afterDelay(CONNECT_TIMEOUT)
      .then([late = kj::mv(late)]() mutable -> kj::Promise<kj::Own<RpcClient>> { return kj::mv(late); });
  return connect(network, kj::mv(url), kj::mv(token)).exclusiveJoin(kj::mv(timeout));
}

}  // namespace sandbridge
