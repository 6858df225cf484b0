#include "net/http-server.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "net/pinging-stream.h"
#include "net/watched-stream.h"

#include <strings.h>

#include <kj/debug.h>

namespace sandbridge {
namespace {

constexpr unsigned MAX_CONNECTIONS = 1000;
// Longer than libcurl keeps an idle connection (118 s), so that its next request never meets our closing.
constexpr auto IDLE_TIMEOUT = 150 * kj::SECONDS;
constexpr auto HEADER_TIMEOUT = 15 * kj::SECONDS;
// A client that half-closes its connection and waits still gets a quick answer.
constexpr auto HANG_UP_GRACE = 500 * kj::MILLISECONDS;
// How long, and how far, a refused client may go on sending: closing on unread bytes would reset the connection, and the
// client could lose our answer.
constexpr auto LINGER_TIME = 1 * kj::SECONDS;
constexpr uint64_t LINGER_BYTES = 1 << 20;
constexpr unsigned MAX_ACCEPT_FAILURES = 20;

struct Status {
  unsigned code;
  kj::StringPtr text;
};

Status statusOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::NOT_FOUND:
      return {404, "Not Found"_kj};
    case ErrorKind::INVALID_ARGUMENT:
      return {400, "Bad Request"_kj};
    case ErrorKind::DENIED:
      return {403, "Forbidden"_kj};
    case ErrorKind::UNAVAILABLE:
      return {503, "Service Unavailable"_kj};
    case ErrorKind::INTERRUPTED:
      return {502, "Bad Gateway"_kj};
    case ErrorKind::SANDBOX_LOST:
      return {410, "Gone"_kj};
    case ErrorKind::FAILED:
      break;
  }
  return {500, "Internal Server Error"_kj};
}

bool isOurs(const kj::Exception& e) {
  return kindOf(e) != ErrorKind::FAILED || e.getDescription().startsWith("failed: ");
}

bool isPlainLength(kj::StringPtr text) {
  if (text.size() == 0 || text.size() > 15) return false;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return text.parseAs<uint64_t>() < (uint64_t(1) << 48);
}

bool hasToken(kj::StringPtr list, kj::StringPtr token) {
  for (size_t i = 0; i + token.size() <= list.size(); i++) {
    bool starts = i == 0 || list[i - 1] == ',' || list[i - 1] == ' ';
    auto end = list[i + token.size()];
    if (starts && (end == '\0' || end == ',' || end == ' ') &&
        strncasecmp(list.begin() + i, token.begin(), token.size()) == 0) {
      return true;
    }
  }
  return false;
}

// One connection, with a kj::HttpServer of its own: so its errors and its closing are its own too.
class Connection final : private kj::HttpService, private kj::HttpServerErrorHandler {
 public:
  Connection(kj::Own<kj::AsyncIoStream> streamParam, kj::Own<kj::HttpService> service,
             kj::Timer& timer, const kj::HttpHeaderTable& table, kj::Maybe<kj::Duration> pingInterval)
      : pingInterval(pingInterval),
        stream(pingInterval == nullptr ? kj::mv(streamParam) : pinged(kj::mv(streamParam))),
        timer(timer),
        table(table),
        service(kj::mv(service)),
        server(timer, table, static_cast<kj::HttpService&>(*this), settings(*this)) {}

  kj::Promise<void> run() {
    try {
      co_await server.listenHttpCleanDrain(stream);
    } catch (kj::Exception&) {
      // The library goes on to complain that a cut answer is incomplete.
      if (!reported) throw;
    }
    stream.shutdownWrite();
    DiscardingStream discard;
    co_await stream.pumpTo(discard, LINGER_BYTES)
        .ignoreResult()
        .exclusiveJoin(timer.afterDelay(LINGER_TIME));
  }

 private:
  kj::Maybe<kj::Duration> pingInterval;
  kj::Maybe<PingingStream&> pinging;  // under `stream`
  WatchedStream stream;
  kj::Timer& timer;
  const kj::HttpHeaderTable& table;
  kj::Own<kj::HttpService> service;
  kj::HttpServer server;
  bool draining = false;
  bool failedInService = false;
  bool reported = false;

  kj::Own<kj::AsyncIoStream> pinged(kj::Own<kj::AsyncIoStream> inner) {
    auto result = kj::heap<PingingStream>(kj::mv(inner));
    pinging = *result;
    return result;
  }

  class DiscardingStream final : public kj::AsyncOutputStream {
   public:
    kj::Promise<void> write(const void*, size_t) override { return kj::READY_NOW; }
    kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>>) override {
      return kj::READY_NOW;
    }
    kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  };

  // Notices upgrades, and how the body ends: the library takes a chunked body as complete once its stream is dropped, also when
  // that happens because of an exception. So the library's stream is kept until the outcome is known.
  class GuardedResponse final : public Response {
   public:
    explicit GuardedResponse(Response& inner) : inner(inner) {}
    bool upgraded = false;

    kj::Own<kj::AsyncOutputStream> send(kj::uint statusCode, kj::StringPtr statusText,
                                        const kj::HttpHeaders& headers,
                                        kj::Maybe<uint64_t> expectedBodySize) override {
      return kj::heap<Body>(*this, inner.send(statusCode, statusText, headers, expectedBodySize));
    }
    kj::Own<kj::WebSocket> acceptWebSocket(const kj::HttpHeaders& headers) override {
      auto socket = inner.acceptWebSocket(headers);
      upgraded = true;
      upgradedPair.fulfiller->fulfill();
      return socket;
    }
    kj::Promise<void> onUpgrade() { return kj::mv(upgradedPair.promise); }

    void complete() { body = nullptr; }

    void cutShort() {
      if (body.get() == nullptr) return;
      // A write that is begun and given up leaves the message broken for the library.
      KJ_IF_MAYBE (e, kj::runCatchingExceptions([this]() { auto ignored = body->write("", 1); })) {
        logInfo("the body of an answer was complete already: ", textOf(*e));
      }
      body = nullptr;
    }

   private:
    class Body final : public kj::AsyncOutputStream {
     public:
      Body(GuardedResponse& response, kj::Own<kj::AsyncOutputStream> inner)
          : response(response), inner(kj::mv(inner)) {}
      ~Body() noexcept(false) { response.body = kj::mv(inner); }

      kj::Promise<void> write(const void* buffer, size_t size) override {
        return inner->write(buffer, size);
      }
      kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
        return inner->write(pieces);
      }
      kj::Maybe<kj::Promise<uint64_t>> tryPumpFrom(kj::AsyncInputStream& input,
                                                   uint64_t amount) override {
        return inner->tryPumpFrom(input, amount);
      }
      kj::Promise<void> whenWriteDisconnected() override { return inner->whenWriteDisconnected(); }

     private:
      GuardedResponse& response;
      kj::Own<kj::AsyncOutputStream> inner;
    };

    Response& inner;
    kj::Own<kj::AsyncOutputStream> body;
    kj::PromiseFulfillerPair<void> upgradedPair = kj::newPromiseAndFulfiller<void>();
  };

  static kj::HttpServerSettings settings(Connection& self) {
    kj::HttpServerSettings s;
    s.headerTimeout = HEADER_TIMEOUT;
    s.pipelineTimeout = IDLE_TIMEOUT;
    s.errorHandler = static_cast<kj::HttpServerErrorHandler&>(self);
    return s;
  }

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    // RFC 9112 9.6: what comes after a request that asked to close is not looked at. The library serves it if it has it already.
    if (draining) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the client asked to close the connection"));
    // The library's answer to an exception closes the connection, which matters: where this request ends is in doubt.
    if (headers.get(kj::HttpHeaderId::TRANSFER_ENCODING) != nullptr) {
      throwError(ErrorKind::INVALID_ARGUMENT, CHUNKED_TEXT);
    }
    KJ_IF_MAYBE (length, headers.get(kj::HttpHeaderId::CONTENT_LENGTH)) {
      if (!isPlainLength(*length)) {
        throwError(ErrorKind::INVALID_ARGUMENT, "the Content-Length of the request is not a size");
      }
    }
    KJ_IF_MAYBE (connection, headers.get(kj::HttpHeaderId::CONNECTION)) {
      if (!draining && hasToken(*connection, "close")) {
        draining = true;
        auto ignored = server.drain();  // ends the loop after this answer
      }
    }
    stream.watch(true);
    KJ_DEFER(stream.watch(false));
    GuardedResponse guarded(response);
    try {
      auto answering =
          service->request(method, url, headers, body, guarded).exclusiveJoin(hangUp(guarded));
      KJ_IF_MAYBE (p, pinging) {
        answering = answering.exclusiveJoin(guarded.onUpgrade().then([this, p]() {
          return p->ping(timer, KJ_ASSERT_NONNULL(pingInterval));
        }));
      }
      co_await answering;
      guarded.complete();
    } catch (kj::Exception& e) {
      guarded.cutShort();
      if (!guarded.upgraded) {
        failedInService = true;
        throw;
      }
      // The library would write an HTTP error into the WebSocket.
      if (e.getType() != kj::Exception::Type::DISCONNECTED) {
        logWarning("a WebSocket connection failed: ", textOf(e));
      }
    }
  }

  static constexpr kj::StringPtr CHUNKED_TEXT =
      "requests with a Transfer-Encoding are not accepted: send Content-Length"_kj;

  kj::Promise<void> hangUp(GuardedResponse& response) {
    co_await stream.onGone();
    co_await timer.afterDelay(HANG_UP_GRACE);
    if (response.upgraded) co_await kj::NEVER_DONE;
    kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the client hung up"));
  }

  kj::Promise<void> handleClientProtocolError(kj::HttpHeaders::ProtocolError error,
                                              Response& response) override {
    return respondText(response, table, error.statusCode, error.statusMessage,
                       kj::str(error.description, "\n"));
  }

  kj::Promise<void> handleApplicationError(kj::Exception e, kj::Maybe<Response&> response) override {
    if (e.getType() == kj::Exception::Type::DISCONNECTED) {
      reported = true;  // there is nobody to tell, and nothing to say
      return kj::READY_NOW;
    }
    KJ_IF_MAYBE (r, response) {
      if (!failedInService && !isOurs(e)) {
        // From the library's own reading of the request.
        return respondText(*r, table, 400, "Bad Request", "the request is malformed\n");
      }
      if (e.getDescription().endsWith(CHUNKED_TEXT)) {
        return respondText(*r, table, 411, "Length Required", kj::str(textOf(e), "\n"));
      }
      auto status = statusOf(kindOf(e));
      if (isOurs(e)) return respondText(*r, table, status.code, status.text, kj::str(textOf(e), "\n"));
      logError("a request failed: ", textOf(e));
      return respondText(*r, table, status.code, status.text,
                         "the request failed inside of the bridge; its log says why\n");
    }
    logWarning(failedInService ? "an answer was cut short: " : "a request could not be read: ",
               textOf(e));
    reported = true;
    return kj::READY_NOW;
  }

  kj::Promise<void> handleNoResponse(Response& response) override {
    logError("a request was left without an answer");
    return respondText(response, table, 500, "Internal Server Error",
                       "the request was left without an answer\n");
  }
};

class HttpAcceptor final : private kj::TaskSet::ErrorHandler {
 public:
  HttpAcceptor(kj::ConnectionReceiver& port, kj::Timer& timer, const kj::HttpHeaderTable& table,
               ServiceOfConnection services, kj::Maybe<kj::Duration> pingInterval)
      : port(port),
        timer(timer),
        table(table),
        services(kj::mv(services)),
        pingInterval(pingInterval),
        tasks(*this) {}

  kj::Promise<void> run() {
    unsigned failures = 0;
    bool warned = false;
    for (;;) {
      if (connections >= MAX_CONNECTIONS) {
        auto paf = kj::newPromiseAndFulfiller<void>();
        connectionEnded = kj::mv(paf.fulfiller);
        co_await paf.promise;
        connectionEnded = nullptr;
        continue;
      }
      kj::Maybe<kj::Exception> problem;
      try {
        tasks.add(serve(co_await port.accept()));
        failures = 0;
        warned = false;
      } catch (kj::Exception& e) {
        problem = kj::mv(e);
      }
      KJ_IF_MAYBE (e, problem) {
        // One connection may be broken already, or descriptors may have run out, which passes. A broken port does not.
        bool ofPort = e->getDescription().startsWith("accept");
        bool passes = !ofPort || e->getType() == kj::Exception::Type::OVERLOADED;
        if (!warned) logWarning("a connection could not be accepted: ", textOf(*e));
        warned = true;
        if (!passes && ++failures > MAX_ACCEPT_FAILURES) kj::throwFatalException(kj::mv(*e));
        if (ofPort) co_await timer.afterDelay(50 * kj::MILLISECONDS);
      }
    }
  }

 private:
  kj::ConnectionReceiver& port;
  kj::Timer& timer;
  const kj::HttpHeaderTable& table;
  ServiceOfConnection services;
  kj::Maybe<kj::Duration> pingInterval;
  unsigned connections = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> connectionEnded;
  kj::TaskSet tasks;

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream) {
    ++connections;
    KJ_DEFER({
      --connections;
      KJ_IF_MAYBE (f, connectionEnded) { (*f)->fulfill(); }
    });
    // What a connection throws, even at its start, is its own affair.
    auto service = services(*stream);
    Connection connection(kj::mv(stream), kj::mv(service), timer, table, pingInterval);
    co_await connection.run();
  }

  void taskFailed(kj::Exception&& e) override {
    if (e.getType() != kj::Exception::Type::DISCONNECTED) {
      logWarning("an HTTP connection failed: ", textOf(e));
    }
  }
};

}  // namespace

kj::Promise<void> serveHttp(kj::ConnectionReceiver& port, kj::Timer& timer,
                            const kj::HttpHeaderTable& table, kj::HttpService& service,
                            kj::Maybe<kj::Duration> pingInterval) {
  ServiceOfConnection services = [&service](kj::AsyncIoStream&) {
    return kj::Own<kj::HttpService>(&service, kj::NullDisposer::instance);
  };
  return serveHttp(port, timer, table, kj::mv(services), pingInterval);
}

kj::Promise<void> serveHttp(kj::ConnectionReceiver& port, kj::Timer& timer,
                            const kj::HttpHeaderTable& table, ServiceOfConnection services,
                            kj::Maybe<kj::Duration> pingInterval) {
  HttpAcceptor acceptor(port, timer, table, kj::mv(services), pingInterval);
  co_await acceptor.run();
}

kj::Promise<void> respondText(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                              unsigned status, kj::StringPtr statusText, kj::StringPtr body,
                              kj::StringPtr contentType) {
  auto text = kj::str(body);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, contentType);
  auto stream = response.send(status, statusText, headers, text.size());
  co_await stream->write(text.begin(), text.size());
}

}  // namespace sandbridge
