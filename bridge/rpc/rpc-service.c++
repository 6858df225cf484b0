#include "rpc/rpc-service.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "net/http-server.h"
#include "rpc/rpc-connection.h"

#include <kj/debug.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

namespace sandbridge {
namespace {

// More than any set-up has use for; each costs a socket and some kilobytes.
constexpr unsigned MAX_CONNECTIONS = 1024;

kj::StringPtr pathOf(kj::StringPtr url, kj::String& copy) {
  KJ_IF_MAYBE(query, url.findFirst('?')) {
    copy = kj::heapString(url.slice(0, *query));
    return copy;
  }
  return url;
}

// The value of a header that must not be given twice; none also when it is.
struct Single {
  unsigned count = 0;
  kj::StringPtr value;
};
Single single(const kj::HttpHeaders& headers, kj::StringPtr name) {
  Single result;
  headers.forEach([&](kj::StringPtr n, kj::StringPtr v) {
    if (strcasecmp(n.cStr(), name.cStr()) == 0) {
      ++result.count;
      result.value = v;
    }
  });
  return result;
}

class RpcService final : public kj::HttpService {
 public:
  RpcService(RpcApi& rpcApi, const kj::HttpHeaderTable& table, kj::HttpService& front,
             RpcServiceOptions options)
      : rpcApi(rpcApi), table(table), front(front), options(kj::mv(options)) {
    KJ_REQUIRE(this->options.token.size() > 0, "a bridge needs a token");
  }

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& requestBody, Response& response) override {
    kj::String copy;
    auto path = pathOf(url, copy);
    if (path == "/rpc") return rpc(headers, response);
    if (path == "/healthz") return health(method, response);
    return front.request(method, url, headers, requestBody, response);
  }

 private:
  RpcApi& rpcApi;
  const kj::HttpHeaderTable& table;
  kj::HttpService& front;
  RpcServiceOptions options;
  unsigned connections = 0;

  kj::Promise<void> rpc(const kj::HttpHeaders& headers, Response& response) {
    auto origin = single(headers, "Origin");
    if (origin.count > 0 && !(origin.count == 1 && isAllowed(origin.value))) {
      return respondText(response, table, 403, "Forbidden",
                         "This web page's origin may not use the bridge. If it should, start the bridge with "
                         "--allow-origin ORIGIN.\n");
    }
    if (!headers.isWebSocket()) {
      // RFC 9110 wants an Upgrade header with it, which kj-http keeps to itself.
      return respondText(response, table, 426, "Upgrade Required",
                         "This is a Cap'n Proto RPC endpoint: connect to it with a WebSocket and the bridge's token.\n");
    }
    if (!isAuthorized(headers)) {
      return respondText(response, table, 401, "Unauthorized",
                         "The bridge's token is missing or wrong. It is in the bridge's token file and goes into the "
                         "header \"Authorization: Bearer TOKEN\".\n");
    }
    if (connections >= MAX_CONNECTIONS) {
      return respondText(response, table, 503, "Service Unavailable",
                         "The bridge has as many connections as it takes. Try again later.\n");
    }
    kj::HttpHeaders out(table);
    auto connection = kj::heap<RpcConnection>(response.acceptWebSocket(out), rpcApi.newConnection());
    ++connections;
    auto counted = kj::defer([this]() { --connections; });
    return connection->onDisconnect().attach(kj::mv(connection), kj::mv(counted));
  }

  kj::Promise<void> health(kj::HttpMethod method, Response& response) {
    if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD) {
      return respondText(response, table, 405, "Method Not Allowed", "Use GET.\n");
    }
    return respondText(response, table, 200, "OK", options.health, "application/json");
  }

  bool isAllowed(kj::StringPtr origin) {
    for (auto& allowed : options.allowedOrigins) {
      if (origin == allowed) return true;
    }
    return false;
  }

  bool isAuthorized(const kj::HttpHeaders& headers) {
    auto authorization = single(headers, "Authorization");
    constexpr kj::StringPtr SCHEME = "Bearer "_kj;
    if (authorization.count != 1 || authorization.value.size() <= SCHEME.size() ||
        strncasecmp(authorization.value.cStr(), SCHEME.cStr(), SCHEME.size()) != 0) {
      return false;
    }
    return equalSecrets(authorization.value.slice(SCHEME.size()), options.token);
  }
};

class NoFront final : public kj::HttpService {
 public:
  explicit NoFront(const kj::HttpHeaderTable& table): table(table) {}

  kj::Promise<void> request(kj::HttpMethod, kj::StringPtr, const kj::HttpHeaders&, kj::AsyncInputStream&,
                            Response& response) override {
    return respondText(response, table, 404, "Not Found",
                       "There is nothing here: the bridge serves /rpc and /healthz. Started with --opencode it serves "
                       "OpenCode on all other paths.\n");
  }

 private:
  const kj::HttpHeaderTable& table;
};

class KeepAliveReceiver final : public kj::ConnectionReceiver {
 public:
  explicit KeepAliveReceiver(kj::Own<kj::ConnectionReceiver> inner): inner(kj::mv(inner)) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> accept() override {
    return inner->accept().then([](kj::Own<kj::AsyncIoStream>&& stream) {
      setKeepAlive(*stream);
      return kj::mv(stream);
    });
  }
  unsigned getPort() override { return inner->getPort(); }
  void getsockopt(int level, int option, void* value, unsigned* length) override {
    inner->getsockopt(level, option, value, length);
  }
  void setsockopt(int level, int option, const void* value, unsigned length) override {
    inner->setsockopt(level, option, value, length);
  }
  void getsockname(struct sockaddr* addr, unsigned* length) override {
    inner->getsockname(addr, length);
  }

 private:
  kj::Own<kj::ConnectionReceiver> inner;
};

}  // namespace

kj::Own<kj::HttpService> newRpcService(RpcApi& rpcApi, const kj::HttpHeaderTable& table,
                                       kj::HttpService& front, RpcServiceOptions options) {
  return kj::heap<RpcService>(rpcApi, table, front, kj::mv(options));
}

kj::Own<kj::HttpService> newNoFront(const kj::HttpHeaderTable& table) {
  return kj::heap<NoFront>(table);
}

kj::Own<kj::ConnectionReceiver> withKeepAlive(kj::Own<kj::ConnectionReceiver> port) {
  return kj::heap<KeepAliveReceiver>(kj::mv(port));
}

void setKeepAlive(kj::AsyncIoStream& stream) {
  struct Setting {
    int level, option, value;
  };
  const Setting settings[] = {
      {SOL_SOCKET, SO_KEEPALIVE, 1},
      {IPPROTO_TCP, TCP_KEEPIDLE, 20},
      {IPPROTO_TCP, TCP_KEEPINTVL, 10},
      {IPPROTO_TCP, TCP_KEEPCNT, 4},
      {IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000},  // for data that is never acknowledged
      {IPPROTO_TCP, TCP_NODELAY, 1},
  };
  // A socket that was reset already refuses; its reader will learn of that.
  kj::runCatchingExceptions([&]() {
    for (auto& s : settings) stream.setsockopt(s.level, s.option, &s.value, sizeof(s.value));
  });
}

}  // namespace sandbridge
