#include "localcloud/data-plane-proxy.h"

#include "base/coroutine.h"
#include "localcloud/daemon-connection.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

// TensorLake's own proxy has these limits.
constexpr kj::Duration READ_DEADLINE = 60 * kj::SECONDS;
constexpr kj::Duration WRITE_DEADLINE = 60 * kj::SECONDS;
// A daemon that stops taking a body usually says why; wait a moment for its words.
constexpr kj::Duration LAST_WORDS = 5 * kj::SECONDS;

// All that is ever held of a body whose length is known, and of another, which are streams of small events.
constexpr size_t CHUNK = 256 << 10;
constexpr size_t EVENT_CHUNK = 16 << 10;

constexpr kj::StringPtr HEALTH_PATH = "/api/v1/health"_kj;

// KJ ends a chunked body properly whenever its stream is dropped, so that half an answer would look whole. It cannot end one
// in the middle of a write: nothing of this write is sent, and the connection closes early.
void spoil(kj::AsyncOutputStream& stream) {
  static constexpr char BYTE = 0;
  // It throws when the answer is complete or an earlier write was cut, and then there is nothing left to do.
  kj::runCatchingExceptions([&]() { auto dropped = stream.write(&BYTE, 1); });
}

bool startsWithPath(kj::StringPtr url, kj::StringPtr prefix) {
  if (!url.startsWith(prefix)) return false;
  return url.size() == prefix.size() || url[prefix.size()] == '/' || url[prefix.size()] == '?';
}

// Parts of the daemon's API that local sandboxes do not have.
kj::Maybe<kj::StringPtr> missingPart(kj::StringPtr url) {
  if (startsWithPath(url, "/api/v1/blob")) return "image builds"_kj;
  return nullptr;
}

bool carriesBody(kj::HttpMethod method) {
  return method == kj::HttpMethod::POST || method == kj::HttpMethod::PUT || method == kj::HttpMethod::PATCH;
}

}  // namespace

DataPlaneProxy::DataPlaneProxy(kj::HttpHeaderTable::Builder& headers, kj::Timer& timer)
    : timer(timer), sockets(headers, timer) {
  requestHeaders.add(kj::HttpHeaderId::CONTENT_TYPE);
  for (auto name: {"Accept", "Traceparent", "User-Agent"}) requestHeaders.add(headers.add(name));
  responseHeaders.add(kj::HttpHeaderId::CONTENT_TYPE);
  responseHeaders.add(headers.add("Cache-Control"));
}

kj::Promise<void> DataPlaneProxy::serve(const kj::HttpHeaderTable& table,
                                        kj::Maybe<kj::Own<Sandbox>> sandbox, kj::StringPtr label,
                                        kj::HttpMethod method, kj::StringPtr url,
                                        const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                                        kj::HttpService::Response& response) {
  if (sandbox == nullptr) {
    return replyError(response, table, {404, "SANDBOX_NOT_FOUND"_kj,
        kj::str("there is no sandbox ", quote(label))});
  }
  KJ_IF_MAYBE(what, missingPart(url)) {
    return replyError(response, table, {501, "NOT_IMPLEMENTED"_kj,
        kj::str("local sandboxes do not have ", *what)});
  }
  if (headers.isWebSocket()) {
    return sockets.serve(table, kj::mv(KJ_ASSERT_NONNULL(sandbox)), url, headers, response);
  }

  auto exchange = kj::heap<Exchange>(Exchange{kj::mv(KJ_ASSERT_NONNULL(sandbox)), method, kj::heapString(url),
                                              kj::HttpHeaders(table), nullptr, nullptr});
  switch (method) {
    case kj::HttpMethod::GET:
      break;
    case kj::HttpMethod::POST:
    case kj::HttpMethod::PUT:
    case kj::HttpMethod::PATCH:
    case kj::HttpMethod::DELETE:
      KJ_IF_MAYBE(length, headers.get(kj::HttpHeaderId::CONTENT_LENGTH)) {
        exchange->length = parseDecimal(*length, UINT64_MAX);
      }
      break;
    default:
      return replyError(response, table, {405, "METHOD_NOT_ALLOWED"_kj,
          kj::str(method, " does not work on sandboxes")});
  }
  if (exchange->length == nullptr && carriesBody(method)) {
    // TensorLake's load balancer insists, even on an empty body.
    return replyError(response, table, {411, "LENGTH_REQUIRED"_kj,
        kj::str("send a Content-Length, also with an empty body")});
  }

  exchange->headers.set(kj::HttpHeaderId::HOST, "sandbox");
  for (auto id: requestHeaders) {
    KJ_IF_MAYBE(value, headers.get(id)) exchange->headers.set(id, kj::heapString(*value));
  }
  return run(table, kj::mv(exchange), body, response);
}

kj::Promise<void> DataPlaneProxy::run(const kj::HttpHeaderTable& table, kj::Own<Exchange> exchange,
                                      kj::AsyncInputStream& body, kj::HttpService::Response& response) {
  auto& sandbox = *exchange->sandbox;
  // Asking after the health of a sleeper must not wake it.
  auto unreachable = co_await whenReachable(sandbox, !startsWithPath(exchange->url, HEALTH_PATH));
  KJ_IF_MAYBE(refusal, unreachable) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }

  kj::Maybe<kj::Exception> failure;
  auto& box = KJ_ASSERT_NONNULL(sandbox.runningBox());
  co_await sandbox.streams.wrap(forward(table, *exchange, box, body, response))
      .catch_([&failure](kj::Exception&& e) { failure = kj::mv(e); });
  KJ_IF_MAYBE(e, failure) {
    // After the status there is only one way left to say it: end the connection early.
    KJ_IF_MAYBE(answer, exchange->answer) {
      spoil(**answer);
      kj::throwFatalException(kj::mv(*e));
    }
    co_await replyError(response, table, refusalOf(*e));
  }
}

kj::Promise<void> DataPlaneProxy::forward(const kj::HttpHeaderTable& table, Exchange& exchange, Box& box,
                                          kj::AsyncInputStream& body, kj::HttpService::Response& response) {
  auto stream = co_await connectToDaemon(box, timer);
  auto client = kj::newHttpClient(table, *stream);
  auto request = client->request(exchange.method, exchange.url, exchange.headers,
                                 exchange.length.orDefault(0));

  kj::Promise<void> uploading = kj::READY_NOW;
  if (request.body.get() != nullptr) uploading = upload(exchange, body, kj::mv(request.body));
  // An answer may come before the body has been taken; then the rest of the body is nobody's.
  auto tooLate = uploading.then([this]() { return timer.afterDelay(READ_DEADLINE); })
                     .then([]() -> kj::Promise<kj::HttpClient::Response> {
                       return proxyError(504, "READ_TIMEOUT", "the sandbox does not answer");
                     });
  auto answer = co_await request.response.exclusiveJoin(kj::mv(tooLate));

  kj::HttpHeaders headers(table);
  for (auto id: responseHeaders) {
    KJ_IF_MAYBE(value, answer.headers->get(id)) headers.set(id, kj::heapString(*value));
  }
  exchange.sandbox->touch();
  auto& to = *exchange.answer.emplace(
      response.send(answer.statusCode, answer.statusText, headers, answer.body->tryGetLength()));
  auto length = answer.body->tryGetLength();
  auto buffer = kj::heapArray<kj::byte>(kj::max(1u, kj::min(length.orDefault(EVENT_CHUNK), CHUNK)));
  for (;;) {
    // No deadline: a command may be silent for long. The idle clock and the client's hang-up end it.
    auto n = co_await answer.body->tryRead(buffer.begin(), 1, buffer.size());
    if (n == 0) break;
    exchange.sandbox->touch();
    co_await to.write(buffer.begin(), n);
  }
  exchange.answer = nullptr;
}

kj::Promise<void> DataPlaneProxy::upload(Exchange& exchange, kj::AsyncInputStream& from,
                                         kj::Own<kj::AsyncOutputStream> to) {
  auto buffer = kj::heapArray<kj::byte>(kj::max(1u, kj::min(exchange.length.orDefault(EVENT_CHUNK), CHUNK)));
  for (;;) {
    auto slowClient = timer.afterDelay(READ_DEADLINE).then([]() -> kj::Promise<size_t> {
      return proxyError(408, "REQUEST_TIMEOUT", "the body of the request does not arrive");
    });
    auto n = co_await from.tryRead(buffer.begin(), 1, buffer.size()).exclusiveJoin(kj::mv(slowClient));
    if (n == 0) co_return;
    exchange.sandbox->touch();

    auto slowDaemon = timer.afterDelay(WRITE_DEADLINE).then([]() -> kj::Promise<void> {
      return proxyError(504, "WRITE_TIMEOUT", "the sandbox does not take the body of the request");
    });
    auto writing = to->write(buffer.begin(), n).catch_([this](kj::Exception&& e) {
      return timer.afterDelay(LAST_WORDS).then([e = kj::mv(e)]() mutable -> kj::Promise<void> {
        return kj::mv(e);
      });
    });
    co_await writing.exclusiveJoin(kj::mv(slowDaemon));
  }
}

}  // namespace sandbridge::localcloud
