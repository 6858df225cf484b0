#include "localcloud/ingress.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "localcloud/box-port.h"
#include "localcloud/daemon-connection.h"
#include "net/proxy-headers.h"
#include "net/websocket-relay.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

constexpr kj::Duration READ_DEADLINE = 60 * kj::SECONDS;  // as TensorLake's own proxy has it
constexpr size_t CHUNK = 64 << 10;
constexpr uint16_t GOING_AWAY = 1001;
constexpr kj::StringPtr DOMAINS[] = {".local"_kj, ".localhost"_kj};

class Entropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    KJ_ASSERT(getrandom(buffer.begin(), buffer.size(), 0) == static_cast<ssize_t>(buffer.size()));
  }
};

bool beginsWith(kj::StringPtr text, kj::StringPtr prefix) {
  return text.size() >= prefix.size() && strncasecmp(text.begin(), prefix.begin(), prefix.size()) == 0;
}

kj::HttpHeaders requestHeaders(const kj::HttpHeaderTable& table, const kj::HttpHeaders& from, bool withAuthorization) {
  kj::HttpHeaders to(table);
  auto connection = from.get(kj::HttpHeaderId::CONNECTION);
  from.forEach([&](kj::StringPtr name, kj::StringPtr value) {
    if (isHopByHop(name) || isNamedIn(connection, name)) return;
    if (beginsWith(name, "X-Tensorlake-") ||
        isOneOf(name, {"X-Forwarded-Organization-Id", "X-Forwarded-Project-Id"})) {
      return;
    }
    if (!withAuthorization && isOneOf(name, {"Authorization"})) return;
    to.add(kj::str(name), kj::str(value));
  });
  return to;
}

}  // namespace

struct Ingress::Exchange {
  Target target;
  kj::HttpMethod method;
  kj::String url;
  kj::HttpHeaders headers;
  uint64_t length;
  bool isWebSocket;
  bool begun = false;  // the client has been sent a status
};

kj::Maybe<kj::String> sandboxLabelOf(kj::StringPtr hostName) {
  for (auto domain: DOMAINS) {
    if (hostName.size() > domain.size() && hostName.endsWith(domain)) {
      return kj::heapString(hostName.slice(0, hostName.size() - domain.size()));
    }
  }
  return nullptr;
}

Ingress::Ingress(kj::HttpHeaderTable::Builder& headers, kj::Timer& timer, Registry& registry)
    : timer(timer), registry(registry), origin(headers.add("Origin")), fetchSite(headers.add("Sec-Fetch-Site")),
      fetchMode(headers.add("Sec-Fetch-Mode")) {}

kj::Maybe<Ingress::Target> Ingress::find(kj::StringPtr label) {
  if (registry.findAnywhere(label) != nullptr) return nullptr;
  KJ_IF_MAYBE(hyphen, label.findFirst('-')) {
    KJ_IF_MAYBE(port, parseDecimal(label.slice(0, *hyphen), UINT16_MAX)) {
      KJ_IF_MAYBE(sandbox, registry.findAnywhere(label.slice(*hyphen + 1))) {
        return Target{kj::mv(*sandbox), static_cast<uint16_t>(*port)};
      }
    }
  }
  return nullptr;
}

kj::Maybe<Refusal> Ingress::refuse(const Target& target, bool authorized, kj::HttpMethod method, kj::StringPtr url,
                                   const kj::HttpHeaders& headers) {
  // Pages of this sandbox may use it, also across its ports; others may only lead here, as a link does.
  KJ_IF_MAYBE(page, headers.get(origin)) {
    bool own = false;
    constexpr auto SCHEME = "http://"_kj;
    if (page->startsWith(SCHEME)) {
      auto host = page->slice(SCHEME.size());
      auto name = kj::heapString(host.slice(0, host.findFirst(':').orDefault(host.size())));
      KJ_IF_MAYBE(label, sandboxLabelOf(name)) {
        KJ_IF_MAYBE(from, find(*label)) own = from->sandbox.get() == target.sandbox.get();
      }
    }
    if (!own) return Refusal{403, "FORBIDDEN"_kj, kj::str("pages of other sites may not use this sandbox")};
  } else KJ_IF_MAYBE(site, headers.get(fetchSite)) {
    bool leads = headers.get(fetchMode).orDefault("") == "navigate" &&
                 (method == kj::HttpMethod::GET || method == kj::HttpMethod::HEAD);
    if (*site != "same-origin" && *site != "none" && !leads) {
      return Refusal{403, "FORBIDDEN"_kj, kj::str("pages of other sites may not use this sandbox")};
    }
  }
  auto& record = target.sandbox->record();
  if (!authorized && !record.access.unauthenticated) {
    return Refusal{401, "UNAUTHENTICATED"_kj,
        kj::str("send the API key of the local cloud as Authorization: Bearer, or set allow_unauthenticated_access of "
                "the sandbox, so that browsers can open its exposed ports")};
  }
  if (!record.access.exposes(target.port)) {
    return Refusal{403, "PORT_NOT_EXPOSED"_kj,
        kj::str("port ", target.port, " of sandbox ", record.id, " is not exposed: name it in exposed_ports")};
  }
  if (!url.startsWith("/")) return Refusal{400, "INVALID_REQUEST"_kj, kj::str("the path is not well formed")};
  return nullptr;
}

kj::Promise<void> Ingress::serve(const kj::HttpHeaderTable& table, Target target, bool authorized, bool holdsToken,
                                 kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                                 kj::AsyncInputStream& body, kj::HttpService::Response& response) {
  KJ_IF_MAYBE(refusal, refuse(target, authorized, method, url, headers)) {
    return replyError(response, table, kj::mv(*refusal));
  }
  // Where the port wants a token, Authorization is for us. Elsewhere it may be the application's own.
  bool forApplication = target.sandbox->record().access.unauthenticated && !holdsToken;
  uint64_t length = 0;
  KJ_IF_MAYBE(text, headers.get(kj::HttpHeaderId::CONTENT_LENGTH)) {
    length = parseDecimal(*text, UINT64_MAX).orDefault(0);
  }
  auto exchange = kj::heap<Exchange>(Exchange{kj::mv(target), method, kj::heapString(url),
      requestHeaders(table, headers, forApplication), length, headers.isWebSocket()});
  return run(table, kj::mv(exchange), body, response);
}

kj::Promise<void> Ingress::run(const kj::HttpHeaderTable& table, kj::Own<Exchange> exchange,
                               kj::AsyncInputStream& body, kj::HttpService::Response& response) {
  auto& sandbox = *exchange->target.sandbox;
  auto opened = co_await openPort(sandbox, exchange->target.port);
  KJ_IF_MAYBE(refusal, opened.tryGet<Refusal>()) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }
  auto& stream = *opened.get<kj::Own<kj::AsyncIoStream>>();
  kj::Maybe<kj::Exception> failure;
  auto passing = exchange->isWebSocket ? passWebSocket(table, *exchange, stream, response)
                                       : pass(table, *exchange, stream, body, response);
  co_await sandbox.ingress.wrap(kj::mv(passing)).catch_([&](kj::Exception&& e) { failure = kj::mv(e); });
  KJ_IF_MAYBE(e, failure) {
    // After the status, the connection can only end early: the server sees to it.
    if (exchange->begun) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the sandbox's answer broke off"));
    co_await replyError(response, table, refusalOf(*e));
  }
}

kj::Promise<void> Ingress::pass(const kj::HttpHeaderTable& table, Exchange& exchange, kj::AsyncIoStream& stream,
                                kj::AsyncInputStream& body, kj::HttpService::Response& response) {
  auto& sandbox = *exchange.target.sandbox;
  // A connection a request: no request can meet the closing of an idle one.
  auto client = kj::newHttpClient(table, stream);
  auto request = client->request(exchange.method, exchange.url, exchange.headers, exchange.length);
  kj::Promise<void> uploading = kj::READY_NOW;
  if (exchange.length > 0 && request.body.get() != nullptr) {
    uploading = body.pumpTo(*request.body, exchange.length).ignoreResult().attach(kj::mv(request.body));
  }
  // An answer may come before the body has been taken, or without taking it.
  auto tooLate = uploading.catch_([](kj::Exception&&) {})
                     .then([this]() { return timer.afterDelay(READ_DEADLINE); })
                     .then([]() -> kj::Promise<kj::HttpClient::Response> {
                       return proxyError(504, "READ_TIMEOUT", "what listens on the port does not answer");
                     });
  auto answer = co_await request.response.exclusiveJoin(kj::mv(tooLate));
  sandbox.touch();
  auto headers = responseHeaders(table, *answer.headers, exchange.method == kj::HttpMethod::HEAD);
  exchange.begun = true;
  auto to = response.send(answer.statusCode, kj::heapString(answer.statusText), headers, answer.body->tryGetLength());
  auto buffer = kj::heapArray<kj::byte>(CHUNK);
  for (;;) {
    // No deadline: streams may be silent for long. The idle clock and the client's hang-up end them.
    auto n = co_await answer.body->tryRead(buffer.begin(), 1, buffer.size());
    if (n == 0) break;
    sandbox.touch();
    co_await to->write(buffer.begin(), n);
  }
}

kj::Promise<void> Ingress::passWebSocket(const kj::HttpHeaderTable& table, Exchange& exchange, kj::AsyncIoStream& stream,
                                         kj::HttpService::Response& response) {
  auto& sandbox = *exchange.target.sandbox;
  Entropy entropy;
  kj::HttpClientSettings settings;
  settings.entropySource = entropy;
  auto client = kj::newHttpClient(table, stream, settings);
  auto late = timer.afterDelay(READ_DEADLINE).then([]() -> kj::Promise<kj::HttpClient::WebSocketResponse> {
    return proxyError(504, "READ_TIMEOUT", "what listens on the port does not answer");
  });
  auto answer = co_await client->openWebSocket(exchange.url, exchange.headers).exclusiveJoin(kj::mv(late));
  auto headers = responseHeaders(table, *answer.headers, false);
  exchange.begun = true;
  if (answer.webSocketOrBody.is<kj::Own<kj::AsyncInputStream>>()) {
    auto& refused = answer.webSocketOrBody.get<kj::Own<kj::AsyncInputStream>>();
    auto to = response.send(answer.statusCode, kj::heapString(answer.statusText), headers, refused->tryGetLength());
    co_await refused->pumpTo(*to);
    co_return;
  }
  WebSocketRelay relay(response.acceptWebSocket(headers),
                       kj::mv(answer.webSocketOrBody.get<kj::Own<kj::WebSocket>>()), timer,
                       [&sandbox]() { sandbox.touch(); });
  kj::Maybe<kj::Exception> cut;
  // Inside of the other cut, so that the client is told why.
  co_await sandbox.streams.wrap(relay.run()).catch_([&](kj::Exception&& e) { cut = kj::mv(e); });
  KJ_IF_MAYBE(e, cut) co_await relay.close(GOING_AWAY, e->getDescription());
}

}  // namespace sandbridge::localcloud
