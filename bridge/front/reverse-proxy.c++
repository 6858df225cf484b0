#include "base/coroutine.h"
#include "base/error.h"
#include "front/front.h"
#include "net/proxy-headers.h"
#include "front/redaction.h"
#include "front/request-policy.h"
#include "net/http-server.h"

#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

// How long one direction of a WebSocket may outlive the other.
constexpr auto CLOSE_GRACE = 5 * kj::SECONDS;
constexpr auto CONNECT_TIMEOUT = 10 * kj::SECONDS;
// OpenCode's list of all models has about 2 MiB.
constexpr uint64_t MAX_CONFIGURATION = 32u << 20;

class Entropy final : public kj::EntropySource {
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    KJ_ASSERT(RAND_bytes(buffer.begin(), buffer.size()) == 1, "no random bytes");
  }
};

class ReverseProxy final : public kj::HttpService {
 public:
  ReverseProxy(kj::Timer& timer, kj::Network& network, const kj::HttpHeaderTable& table,
               kj::StringPtr url, ReverseProxyOptions options)
      : timer(timer), network(network), table(table), options(kj::mv(options)) {
    constexpr kj::StringPtr SCHEME = "http://"_kj;
    KJ_REQUIRE(url.startsWith(SCHEME), "only http servers can be proxied", url);
    auto rest = url.slice(SCHEME.size());
    host = kj::str(rest.slice(0, rest.findFirst('/').orDefault(rest.size())));
  }

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    KJ_IF_MAYBE (refusal, refuse(headers, options.anyHost)) {
      co_return co_await respondText(response, table, 403, "Forbidden", *refusal);
    }
    KJ_IF_MAYBE (answer, answerInstead(method, url)) {
      co_return co_await respondText(response, table, answer->status, answer->statusText, answer->body,
                                     answer->contentType);
    }
    auto target = options.directory.size() == 0 ? kj::str(url) : withoutDirectory(url);
    auto forwarded = requestHeaders(headers, mayShowKeys(url));

    kj::Own<kj::AsyncIoStream> connection;
    kj::String problem;
    try {
      auto tooLate = timer.afterDelay(CONNECT_TIMEOUT).then([]() -> kj::Own<kj::AsyncIoStream> {
        kj::throwFatalException(KJ_EXCEPTION(OVERLOADED, "no connection"));
      });
      connection = co_await connectUpstream().exclusiveJoin(kj::mv(tooLate));
    } catch (kj::Exception&) {
      problem = kj::str("OpenCode cannot be reached. It may be starting again; try once more.\n");
    }
    if (connection.get() == nullptr) {
      co_return co_await respondText(response, table, 502, "Bad Gateway", problem);
    }
    kj::HttpClientSettings settings;
    settings.entropySource = entropy;
    // A connection a request: on loopback that costs nothing, and no request can meet the closing of an idle one.
    auto client = kj::newHttpClient(table, *connection, settings);
    if (headers.isWebSocket()) {
      co_await passWebSocket(*client, target, forwarded, response);
    } else {
      co_await passRequest(*client, method, target, headers, forwarded, body, response);
    }
  }

 private:
  kj::Timer& timer;
  kj::Network& network;
  const kj::HttpHeaderTable& table;
  ReverseProxyOptions options;
  kj::String host;
  Entropy entropy;

  kj::Promise<kj::Own<kj::AsyncIoStream>> connectUpstream() {
    auto address = co_await network.parseAddress(host);
    co_return co_await address->connect();
  }

  // `readable`: the answer has to come uncompressed.
  kj::HttpHeaders requestHeaders(const kj::HttpHeaders& from, bool readable) {
    kj::HttpHeaders to(table);
    auto connection = from.get(kj::HttpHeaderId::CONNECTION);
    from.forEach([&](kj::StringPtr name, kj::StringPtr value) {
      if (isHopByHop(name) || isNamedIn(connection, name) || isOneOf(name, {"Host"})) return;
      if (options.authorization.size() > 0 && isOneOf(name, {"Authorization"})) return;
      if (options.directory.size() > 0 && isOneOf(name, {"X-OpenCode-Directory"})) return;
      if (readable && isOneOf(name, {"Accept-Encoding"})) return;
      to.add(kj::str(name), kj::str(value));
    });
    to.set(kj::HttpHeaderId::HOST, kj::str(host));
    if (options.authorization.size() > 0) {
      to.add("Authorization"_kj, kj::str(options.authorization));
    }
    if (options.directory.size() > 0) {
      to.add("X-OpenCode-Directory"_kj, kj::encodeUriComponent(options.directory));
    }
    return to;
  }

  bool isJson(const kj::HttpHeaders& headers) {
    KJ_IF_MAYBE (type, headers.get(kj::HttpHeaderId::CONTENT_TYPE)) {
      return strncasecmp(type->cStr(), "application/json", strlen("application/json")) == 0;
    }
    return false;
  }

  kj::Promise<void> passRequest(kj::HttpClient& client, kj::HttpMethod method, kj::StringPtr url,
                                const kj::HttpHeaders& original, const kj::HttpHeaders& headers,
                                kj::AsyncInputStream& body, Response& response) {
    uint64_t size = 0;
    KJ_IF_MAYBE (length, original.get(kj::HttpHeaderId::CONTENT_LENGTH)) {
      size = length->parseAs<uint64_t>();
    }
    kj::Maybe<kj::HttpClient::Response> answer;
    bool begun = false;
    try {
      auto request = client.request(method, url, headers, size);
      // An answer may come before the body has been taken, or without taking it.
      auto sending = size == 0 || request.body.get() == nullptr
                         ? kj::Promise<void>(kj::READY_NOW)
                         : body.pumpTo(*request.body, size).ignoreResult().attach(kj::mv(request.body));
      sending = sending.eagerlyEvaluate([](kj::Exception&&) {});
      answer = co_await request.response;
      auto& a = KJ_ASSERT_NONNULL(answer);
      auto to = responseHeaders(table, *a.headers, method == kj::HttpMethod::HEAD);
      if (method != kj::HttpMethod::HEAD && mayShowKeys(url) && isJson(*a.headers)) {
        auto text = withoutKeys(co_await a.body->readAllText(MAX_CONFIGURATION));
        begun = true;
        auto out = response.send(a.statusCode, kj::str(a.statusText), to, text.size());
        co_await out->write(text.begin(), text.size());
        co_return;
      }
      begun = true;
      auto length = a.body->tryGetLength();
      auto out = response.send(a.statusCode, kj::str(a.statusText), to, length);
      co_await a.body->pumpTo(*out);
      co_return;
    } catch (kj::Exception& e) {
      // The client then sees its answer cut short.
      if (begun) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "OpenCode's answer broke off"));
    }
    co_await respondText(response, table, 502, "Bad Gateway",
                         "OpenCode closed the connection without an answer. See the bridge's log.\n");
  }

  kj::Promise<void> passWebSocket(kj::HttpClient& client, kj::StringPtr url,
                                  const kj::HttpHeaders& headers, Response& response) {
    auto answer = co_await client.openWebSocket(url, headers);
    auto to = responseHeaders(table, *answer.headers, false);
    KJ_SWITCH_ONEOF(answer.webSocketOrBody) {
      KJ_CASE_ONEOF(body, kj::Own<kj::AsyncInputStream>) {
        auto out = response.send(answer.statusCode, kj::str(answer.statusText), to, body->tryGetLength());
        co_await body->pumpTo(*out);
      }
      KJ_CASE_ONEOF(upstream, kj::Own<kj::WebSocket>) {
        auto downstream = response.acceptWebSocket(to);
        co_await pumpBoth(*upstream, *downstream);
      }
    }
  }

  kj::Promise<void> pumpBoth(kj::WebSocket& a, kj::WebSocket& b) {
    auto there = a.pumpTo(b).fork(), back = b.pumpTo(a).fork();
    co_await there.addBranch().exclusiveJoin(back.addBranch());
    // The other direction may have a closing frame under way.
    kj::Vector<kj::Promise<void>> both;
    both.add(there.addBranch());
    both.add(back.addBranch());
    co_await kj::joinPromises(both.releaseAsArray()).exclusiveJoin(timer.afterDelay(CLOSE_GRACE));
  }
};

}  // namespace

kj::Own<kj::HttpService> newReverseProxy(kj::Timer& timer, kj::Network& network,
                                         const kj::HttpHeaderTable& table, kj::StringPtr url,
                                         ReverseProxyOptions options) {
  return kj::heap<ReverseProxy>(timer, network, table, url, kj::mv(options));
}

kj::Own<kj::HttpService> newReverseProxy(kj::Timer& timer, kj::Network& network,
                                         const kj::HttpHeaderTable& table, OpenCodeServer& server,
                                         bool anyHost) {
  return newReverseProxy(
      timer, network, table, server.url(),
      ReverseProxyOptions{kj::str(server.authorization()), kj::str(server.directory()), anyHost});
}

}  // namespace sandbridge
