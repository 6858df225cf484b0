#include "front/previews.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/ids.h"
#include "net/proxy-headers.h"
#include "net/http-server.h"
#include "net/websocket-relay.h"

#include <kj/debug.h>
#include <kj/map.h>
#include <kj/refcount.h>

#include <ctype.h>
#include <strings.h>
#include <sys/random.h>

namespace sandbridge {

namespace {

constexpr kj::StringPtr PREFIX = "preview-"_kj;
// 128 bits; a part of a host name has 63 characters at most.
constexpr size_t TOKEN_SIZE = 32;
// Of one session; the oldest goes.
constexpr size_t MAX_LINKS = 64;
constexpr kj::Duration ANSWER_TIMEOUT = 60 * kj::SECONDS;
constexpr uint16_t GOING_AWAY = 1001;

class Entropy final : public kj::EntropySource {
 public:
  void generate(kj::ArrayPtr<kj::byte> buffer) override {
    KJ_ASSERT(getrandom(buffer.begin(), buffer.size(), 0) == static_cast<ssize_t>(buffer.size()));
  }
};

kj::String lowerCase(kj::StringPtr text) {
  auto result = kj::str(text);
  for (char& c : result) c = tolower(static_cast<unsigned char>(c));
  return result;
}

// "http://", "localhost:8787" and "localhost" of "http://*.localhost:8787".
struct Address {
  kj::String scheme, authority, domain;

  explicit Address(kj::StringPtr text) {
    for (auto known : {"http://*."_kj, "https://*."_kj}) {
      if (!text.startsWith(known)) continue;
      scheme = kj::heapString(known.slice(0, known.size() - 2));
      authority = lowerCase(text.slice(known.size()));
    }
    domain = kj::heapString(authority.slice(0, authority.findFirst(':').orDefault(authority.size())));
  }

  bool isValid() const {
    if (domain.size() == 0) return false;
    for (char c : authority) {
      if (!isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != ':') return false;
    }
    return true;
  }
};

class PreviewsImpl final : public Previews, private SessionObserver {
 public:
  PreviewsImpl(Sessions& sessions, tensorlake::Client& client, tensorlake::Tunnels& tunnels, kj::Timer& timer,
               kj::StringPtr address)
      : sessions(sessions), client(client), tunnels(tunnels), timer(timer), address(address) {
    KJ_REQUIRE(this->address.isValid(), "no address of previews", address);
    sessions.addObserver(*this);
  }
  ~PreviewsImpl() noexcept(false) { sessions.removeObserver(*this); }

  kj::Own<PortLinks> linksOf(kj::StringPtr rootSessionId) override;
  kj::Own<kj::HttpService> serveBefore(kj::HttpService& inner, const kj::HttpHeaderTable& table) override;

 private:
  // Requests under way keep it; it is not found any more once it has ended.
  struct Link final : public kj::Refcounted {
    Link(kj::StringPtr session, uint16_t port)
        : session(kj::str(session)), port(port), token(kj::str(randomToken().slice(0, TOKEN_SIZE))) {}

    const kj::String session;
    const uint16_t port;
    const kj::String token;
    kj::Maybe<tensorlake::Sandbox> sandbox;  // where it was found last
    kj::Canceler traffic;

    kj::String local() const { return kj::str("localhost:", port); }
  };

  class SessionLinks;
  class Service;

  Sessions& sessions;
  tensorlake::Client& client;
  tensorlake::Tunnels& tunnels;
  kj::Timer& timer;
  Address address;
  // By the digest of their tokens, so that the time that a search takes tells nothing of them.
  kj::HashMap<kj::String, kj::Own<Link>> links;
  kj::HashMap<kj::String, kj::Vector<kj::String>> ofSession;  // their keys, the oldest first

  kj::String authorityOf(const Link& link) const {
    return kj::str(PREFIX, link.token, ".", address.authority);
  }
  kj::String originOf(const Link& link) const { return kj::str(address.scheme, authorityOf(link)); }

  kj::String open(kj::StringPtr session, uint16_t port) {
    auto& keys = ofSession.findOrCreate(session, [&]() {
      return kj::HashMap<kj::String, kj::Vector<kj::String>>::Entry{kj::str(session), {}};
    });
    for (auto& key : keys) {
      auto& link = *KJ_ASSERT_NONNULL(links.find(key));
      if (link.port == port) return kj::str(originOf(link), "/");
    }
    if (keys.size() >= MAX_LINKS) {
      close(keys.front(), "a newer preview took its place");
      kj::Vector<kj::String> rest;
      for (auto& key : keys.asPtr().slice(1, keys.size())) rest.add(kj::mv(key));
      keys = kj::mv(rest);
    }
    auto link = kj::refcounted<Link>(session, port);
    auto url = kj::str(originOf(*link), "/");
    auto key = sha256Hex(link->token);
    keys.add(kj::str(key));
    links.insert(kj::mv(key), kj::mv(link));
    return url;
  }

  void close(kj::StringPtr key, kj::StringPtr why) {
    KJ_IF_MAYBE (link, links.find(key)) {
      auto held = kj::mv(*link);
      links.erase(key);
      held->traffic.cancel(makeError(ErrorKind::SANDBOX_LOST, why));
    }
  }

  void sessionEvent(const SessionEvent& event) override {
    if (event.kind != SessionEventKind::LOST && event.kind != SessionEventKind::DELETED) return;
    KJ_IF_MAYBE (keys, ofSession.find(event.sessionId)) {
      auto ended = kj::mv(*keys);
      ofSession.erase(event.sessionId);
      for (auto& key : ended) close(key, "the sandbox of this preview has ended");
    }
  }

  // The token in a host name, if it is a preview's.
  kj::Maybe<kj::String> tokenOf(kj::StringPtr host) const {
    auto name = lowerCase(kj::heapString(host.slice(0, host.findFirst(':').orDefault(host.size()))));
    if (!name.startsWith(PREFIX) || name.size() <= PREFIX.size() + TOKEN_SIZE) return nullptr;
    auto rest = name.slice(PREFIX.size() + TOKEN_SIZE);
    if (!rest.startsWith(".") || rest.slice(1) != address.domain) return nullptr;
    return kj::heapString(name.slice(PREFIX.size(), PREFIX.size() + TOKEN_SIZE));
  }

  // --- one request ---

  kj::Promise<kj::Own<kj::AsyncIoStream>> connect(Link& link) {
    for (bool again = false;; again = true) {
      if (link.sandbox == nullptr) {
        auto session = sessions.get(link.session, {});
        auto info = co_await session->prepare();
        link.sandbox = co_await client.get(kj::str(info.sandboxId));
      }
      kj::Maybe<kj::Exception> failure;
      KJ_IF_MAYBE (sandbox, link.sandbox) {
        auto known = sandbox->clone();
        try {
          co_return co_await tunnels.open(known, link.port);
        } catch (kj::Exception& e) {
          failure = kj::mv(e);
        }
      } else {
        failure = makeError(ErrorKind::UNAVAILABLE, "the sandbox is not there.");
      }
      // It may have been suspended, or have moved.
      link.sandbox = nullptr;
      auto& e = KJ_ASSERT_NONNULL(failure);
      if (again || kindOf(e) != ErrorKind::UNAVAILABLE) kj::throwFatalException(kj::mv(e));
    }
  }

  kj::HttpHeaders requestHeaders(const Link& link, const kj::HttpHeaderTable& table, const kj::HttpHeaders& from) {
    kj::HttpHeaders to(table);
    auto connection = from.get(kj::HttpHeaderId::CONNECTION);
    auto origin = originOf(link);
    from.forEach([&](kj::StringPtr name, kj::StringPtr value) {
      if (isHopByHop(name) || isNamedIn(connection, name) || isOneOf(name, {"Host", "Expect"})) return;
      bool own = isOneOf(name, {"Origin", "Referer"}) && value.startsWith(origin);
      to.add(kj::str(name), own ? kj::str("http://", link.local(), value.slice(origin.size())) : kj::str(value));
    });
    to.set(kj::HttpHeaderId::HOST, link.local());
    return to;
  }

  kj::HttpHeaders answerHeaders(const Link& link, const kj::HttpHeaderTable& table, const kj::HttpHeaders& from,
                                bool keepLength) {
    auto to = responseHeaders(table, from, keepLength);
    KJ_IF_MAYBE (location, to.get(kj::HttpHeaderId::LOCATION)) {
      for (auto host : {"localhost"_kj, "127.0.0.1"_kj}) {
        auto inside = kj::str("http://", host, ":", link.port);
        if (!location->startsWith(inside)) continue;
        auto rest = location->slice(inside.size());
        if (rest.size() == 0 || rest.startsWith("/") || rest.startsWith("?")) {
          to.set(kj::HttpHeaderId::LOCATION, kj::str(originOf(link), rest));
          break;
        }
      }
    }
    // The name is the secret: it is not told to where a page leads.
    to.add("Referrer-Policy"_kj, "same-origin"_kj);
    return to;
  }

  template <typename T>
  kj::Promise<T> inTime(kj::Promise<T> promise) {
    return promise.exclusiveJoin(timer.afterDelay(ANSWER_TIMEOUT).then([]() -> kj::Promise<T> {
      return makeError(ErrorKind::UNAVAILABLE, "what listens on the port does not answer.");
    }));
  }

  kj::Promise<void> pass(kj::Own<Link> link, const kj::HttpHeaderTable& table, kj::HttpMethod method,
                         kj::StringPtr url, const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                         kj::HttpService::Response& response) {
    bool begun = false;
    kj::Maybe<kj::Exception> failure;
    try {
      if (headers.isWebSocket()) {
        co_await passWebSocket(*link, table, url, headers, response, begun);
      } else {
        co_await link->traffic.wrap(passRequest(*link, table, method, url, headers, body, response, begun));
      }
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      if (begun) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the sandbox's answer broke off"));
      auto kind = kindOf(*e);
      bool inside = kind == ErrorKind::NOT_FOUND || kind == ErrorKind::FAILED;
      co_await respondText(response, table, inside ? 502 : 503, inside ? "Bad Gateway" : "Service Unavailable",
                           kj::str("No preview: ", sandbridge::textOf(*e), "\n"));
    }
  }

  kj::Promise<void> passRequest(Link& link, const kj::HttpHeaderTable& table, kj::HttpMethod method,
                                kj::StringPtr url, const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                                kj::HttpService::Response& response, bool& begun) {
    auto forwarded = requestHeaders(link, table, headers);
    uint64_t size = 0;
    KJ_IF_MAYBE (length, headers.get(kj::HttpHeaderId::CONTENT_LENGTH)) size = length->parseAs<uint64_t>();
    auto stream = co_await connect(link);
    // A connection a request: no request can meet the closing of an idle one.
    auto inside = kj::newHttpClient(table, *stream);
    auto request = inside->request(method, url, forwarded, size);
    // An answer may come before the body has been taken, or without taking it.
    auto sending = size == 0 || request.body.get() == nullptr
                       ? kj::Promise<void>(kj::READY_NOW)
                       : body.pumpTo(*request.body, size).ignoreResult().attach(kj::mv(request.body));
    sending = sending.eagerlyEvaluate([](kj::Exception&&) {});
    auto answer = co_await (size == 0 ? inTime(kj::mv(request.response)) : kj::mv(request.response));
    auto to = answerHeaders(link, table, *answer.headers, method == kj::HttpMethod::HEAD);
    begun = true;
    auto out = response.send(answer.statusCode, kj::str(answer.statusText), to, answer.body->tryGetLength());
    co_await answer.body->pumpTo(*out);
  }

  kj::Promise<void> passWebSocket(Link& link, const kj::HttpHeaderTable& table, kj::StringPtr url,
                                  const kj::HttpHeaders& headers, kj::HttpService::Response& response, bool& begun) {
    auto forwarded = requestHeaders(link, table, headers);
    auto stream = co_await link.traffic.wrap(connect(link));
    Entropy entropy;
    kj::HttpClientSettings settings;
    settings.entropySource = entropy;
    auto inside = kj::newHttpClient(table, *stream, settings);
    auto answer = co_await inTime(inside->openWebSocket(url, forwarded));
    auto to = answerHeaders(link, table, *answer.headers, false);
    begun = true;
    if (answer.webSocketOrBody.is<kj::Own<kj::AsyncInputStream>>()) {
      auto& refused = answer.webSocketOrBody.get<kj::Own<kj::AsyncInputStream>>();
      auto out = response.send(answer.statusCode, kj::str(answer.statusText), to, refused->tryGetLength());
      co_await refused->pumpTo(*out);
      co_return;
    }
    WebSocketRelay relay(response.acceptWebSocket(to), kj::mv(answer.webSocketOrBody.get<kj::Own<kj::WebSocket>>()),
                         timer, []() {});
    kj::Maybe<kj::Exception> cut;
    co_await link.traffic.wrap(relay.run()).catch_([&](kj::Exception&& e) { cut = kj::mv(e); });
    KJ_IF_MAYBE (e, cut) co_await relay.close(GOING_AWAY, "the preview has ended");
  }
};

class PreviewsImpl::SessionLinks final : public PortLinks {
 public:
  SessionLinks(PreviewsImpl& previews, kj::StringPtr session) : previews(previews), session(kj::str(session)) {}
  kj::String linkTo(uint16_t port) override { return previews.open(session, port); }

 private:
  PreviewsImpl& previews;
  kj::String session;
};

class PreviewsImpl::Service final : public kj::HttpService {
 public:
  Service(PreviewsImpl& previews, kj::HttpService& inner, const kj::HttpHeaderTable& table)
      : previews(previews), inner(inner), table(table) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    KJ_IF_MAYBE (host, headers.get(kj::HttpHeaderId::HOST)) {
      KJ_IF_MAYBE (token, previews.tokenOf(*host)) {
        KJ_IF_MAYBE (link, previews.links.find(sha256Hex(*token))) {
          if (!url.startsWith("/")) {
            return respondText(response, table, 400, "Bad Request", "The path is not well formed.\n");
          }
          return previews.pass(kj::addRef(**link), table, method, url, headers, body, response);
        }
        return respondText(response, table, 404, "Not Found",
                           "This preview has ended. Ask for a new link in the session.\n");
      }
    }
    return inner.request(method, url, headers, body, response);
  }

 private:
  PreviewsImpl& previews;
  kj::HttpService& inner;
  const kj::HttpHeaderTable& table;
};

kj::Own<PortLinks> PreviewsImpl::linksOf(kj::StringPtr rootSessionId) {
  return kj::heap<SessionLinks>(*this, rootSessionId);
}

kj::Own<kj::HttpService> PreviewsImpl::serveBefore(kj::HttpService& inner, const kj::HttpHeaderTable& table) {
  return kj::heap<Service>(*this, inner, table);
}

}  // namespace

bool isPreviewAddress(kj::StringPtr text) { return Address(text).isValid(); }

kj::Own<Previews> newPreviews(Sessions& sessions, tensorlake::Client& client, tensorlake::Tunnels& tunnels,
                              kj::Timer& timer, kj::StringPtr address) {
  return kj::heap<PreviewsImpl>(sessions, client, tunnels, timer, address);
}

}  // namespace sandbridge
