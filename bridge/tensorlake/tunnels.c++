#include "tensorlake/tunnels.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "tensorlake/address.h"
#include "tensorlake/wire.h"

#include <kj/compat/http.h>
#include <kj/compat/tls.h>
#include <kj/debug.h>

#include <string.h>
#include <sys/random.h>

#include <algorithm>
#include <string>

namespace sandbridge::tensorlake {

namespace {

constexpr kj::Duration OPEN_TIMEOUT = 30 * kj::SECONDS;
constexpr size_t CHUNK = 64u << 10;
constexpr size_t MAX_MESSAGE = 16u << 20;
constexpr size_t MAX_REFUSAL = 4096;
constexpr uint16_t NORMAL = 1000, NO_CODE = 1005;

class Entropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    KJ_ASSERT(getrandom(buffer.begin(), buffer.size(), 0) == static_cast<ssize_t>(buffer.size()));
  }
};

// The bytes of binary messages as a stream, with all that it stands on.
class TunnelStream final : public kj::AsyncIoStream {
 public:
  TunnelStream(kj::Own<kj::WebSocket> socket) : socket(kj::mv(socket)) {}

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    size_t total = 0;
    while (total < minBytes || total == 0) {
      if (at == pending.size()) {
        if (ended) break;
        auto message = co_await socket->receive(MAX_MESSAGE);
        if (message.is<kj::WebSocket::Close>()) {
          ended = true;
          // All else means that the sandbox was suspended or has ended, or that what listened there broke off.
          auto code = message.get<kj::WebSocket::Close>().code;
          if (code == NORMAL || code == NO_CODE) break;
          kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the tunnel to the sandbox broke off"));
        }
        if (!message.is<kj::Array<kj::byte>>()) {
          throwError(ErrorKind::FAILED, "the tunnel to the sandbox brought text.");
        }
        pending = kj::mv(message.get<kj::Array<kj::byte>>());
        at = 0;
        continue;
      }
      auto n = std::min(maxBytes - total, pending.size() - at);
      memcpy(reinterpret_cast<kj::byte*>(buffer) + total, pending.begin() + at, n);
      at += n;
      total += n;
      if (total == maxBytes) break;
    }
    co_return total;
  }

  kj::Promise<void> write(const void* buffer, size_t size) override {
    auto bytes = kj::arrayPtr(reinterpret_cast<const kj::byte*>(buffer), size);
    while (bytes.size() > 0) {
      auto n = std::min(bytes.size(), CHUNK);
      co_await socket->send(bytes.slice(0, n));
      bytes = bytes.slice(n, bytes.size());
    }
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    for (auto piece : pieces) co_await write(piece.begin(), piece.size());
  }

  kj::Promise<void> whenWriteDisconnected() override { return socket->whenAborted(); }
  void shutdownWrite() override {}
  void abortRead() override { ended = true; }

 private:
  kj::Own<kj::WebSocket> socket;
  kj::Array<kj::byte> pending;
  size_t at = 0;
  bool ended = false;
};

class TunnelsImpl final : public Tunnels {
 public:
  TunnelsImpl(Config config, kj::Network& network, kj::Timer& timer)
      : config(kj::mv(config)), network(network), timer(timer) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> open(const Sandbox& sandbox, uint16_t port) override {
    return kj::evalNow([&]() {
      auto late = timer.afterDelay(OPEN_TIMEOUT).then([]() -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
        return makeError(ErrorKind::UNAVAILABLE, "the sandbox did not open a tunnel in time.");
      });
      return connect(addressOf(config, sandbox, [this](kj::StringPtr text) { return readable(text); }), port)
          .exclusiveJoin(kj::mv(late));
    });
  }

 private:
  // What one connection stands on, in the order in which it is built.
  struct Connection {
    kj::Own<kj::AsyncIoStream> stream;
    kj::HttpHeaderTable table;
    Entropy entropy;
    kj::Own<kj::HttpClient> client;
  };

  Config config;
  kj::Network& network;
  kj::Timer& timer;
  kj::Maybe<kj::Own<kj::TlsContext>> tls;

  kj::Promise<kj::Own<kj::AsyncIoStream>> connectTo(const UrlParts& url) {
    bool secure = url.scheme == "https";
    auto port = url.port.size() > 0 ? kj::str(url.port) : kj::str(secure ? ":443" : ":80");
    auto address = co_await network.parseAddress(kj::str(url.host, port));
    auto stream = co_await address->connect();
    if (!secure) co_return kj::mv(stream);
    if (tls == nullptr) tls = kj::heap<kj::TlsContext>();
    co_return co_await KJ_ASSERT_NONNULL(tls)->wrapClient(kj::mv(stream), url.host);
  }

  kj::HttpHeaders headersOf(const kj::HttpHeaderTable& table, SandboxAddress& address) {
    kj::HttpHeaders headers(table);
    headers.set(kj::HttpHeaderId::HOST, kj::str(address.url.host, address.url.port));
    for (auto& header : address.headers) {
      if (header.name == "Host") {
        headers.set(kj::HttpHeaderId::HOST, kj::mv(header.value));
      } else {
        headers.add(kj::mv(header.name), kj::mv(header.value));
      }
    }
    if (config.apiKey.size() > 0) headers.add("Authorization", kj::str("Bearer ", config.apiKey));
    if (config.organizationId.size() > 0 && config.projectId.size() > 0) {
      headers.add(wire::ORGANIZATION_ID, kj::str(config.organizationId));
      headers.add(wire::PROJECT_ID, kj::str(config.projectId));
    }
    return headers;
  }

  kj::Promise<kj::Own<kj::AsyncIoStream>> connect(SandboxAddress address, uint16_t port) {
    auto connection = kj::heap<Connection>();
    kj::Maybe<kj::Exception> failure;
    kj::Maybe<kj::HttpClient::WebSocketResponse> maybeAnswer;
    try {
      connection->stream = co_await connectTo(address.url);
      kj::HttpClientSettings settings;
      settings.entropySource = connection->entropy;
      connection->client = kj::newHttpClient(connection->table, *connection->stream, settings);
      auto path = kj::str(isLocalhost(address.url.host) ? kj::StringPtr(address.url.path) : ""_kj,
                          wire::TUNNEL, "?port=", port);
      auto headers = headersOf(connection->table, address);
      maybeAnswer = co_await connection->client->openWebSocket(path, headers);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      throwError(ErrorKind::UNAVAILABLE,
                 kj::str("the sandbox cannot be reached: ", readable(e->getDescription())));
    }
    auto& answer = KJ_ASSERT_NONNULL(maybeAnswer);
    if (answer.webSocketOrBody.is<kj::Own<kj::WebSocket>>()) {
      kj::Own<kj::AsyncIoStream> stream =
          kj::heap<TunnelStream>(kj::mv(answer.webSocketOrBody.get<kj::Own<kj::WebSocket>>()));
      co_return stream.attach(kj::mv(connection));
    }
    auto status = answer.statusCode;
    auto text = co_await textOf(*answer.webSocketOrBody.get<kj::Own<kj::AsyncInputStream>>());
    if (status == 401 || status == 403) {
      throwError(ErrorKind::DENIED, kj::str("TensorLake refused the tunnel: ", text));
    }
    // TensorLake says 502 both when nothing listens and when its proxy does not reach the sandbox; only the first has this code.
    bool daemonSpoke = strstr(text.cStr(), wire::SANDBOX_UPSTREAM_ERROR.cStr()) == nullptr;
    if (status == 502 && daemonSpoke) {
      throwError(ErrorKind::NOT_FOUND, kj::str("nothing listens on port ", port, " in the sandbox."));
    }
    throwError(ErrorKind::UNAVAILABLE,
               kj::str("the sandbox did not open a tunnel (HTTP ", status, "): ", text));
  }

  kj::Promise<kj::String> textOf(kj::AsyncInputStream& body) {
    auto buffer = kj::heapArray<char>(MAX_REFUSAL);
    size_t n = 0;
    try {
      n = co_await body.tryRead(buffer.begin(), buffer.size(), buffer.size());
    } catch (kj::Exception&) {
      // The status alone has to do.
    }
    co_return readable(toValidUtf8(buffer.slice(0, n)));
  }

  // Without the key, which a server may echo.
  kj::String readable(kj::StringPtr text) {
    std::string result(text.begin(), text.size());
    std::string key(config.apiKey.begin(), config.apiKey.size());
    for (size_t at = 0; !key.empty() && (at = result.find(key, at)) != std::string::npos;) {
      result.replace(at, key.size(), "[key]");
    }
    return kj::heapString(result.data(), result.size());
  }
};

}  // namespace

kj::Own<Tunnels> newTunnels(Config config, kj::Network& network, kj::Timer& timer) {
  return kj::heap<TunnelsImpl>(kj::mv(config), network, timer);
}

}  // namespace sandbridge::tensorlake
