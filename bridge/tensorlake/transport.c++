#include "tensorlake/transport.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "tensorlake/messages.h"
#include "tensorlake/wire.h"

#include <stdlib.h>
#include <string.h>

namespace sandbridge::tensorlake {

namespace {

// Marks the context entry of an exception that carries a Failure.
constexpr const char* FAILURE_MARK = "tensorlake answer";
constexpr size_t ERROR_BODY_LIMIT = 64u << 10;
// An explanation is worth less than the time that its absence would cost.
constexpr kj::Duration ERROR_BODY_TIMEOUT = 5 * kj::SECONDS;
constexpr kj::Duration BODY_TIMEOUT = 60 * kj::SECONDS;
// After this many attempts, and again after as many, a data-plane request looks where its sandbox
// is: about half a second at first.
constexpr unsigned ATTEMPTS_A_LOOK = 4;

// A body stream that more than one attempt may be given: once it has been read from, no further
// attempt is possible.
class SharedBody : public kj::Refcounted {
 public:
  explicit SharedBody(kj::Own<kj::AsyncInputStream> inner) : inner(kj::mv(inner)) {}
  kj::Own<kj::AsyncInputStream> inner;
  bool touched = false;

  kj::Own<kj::AsyncInputStream> view();
};

class SharedBodyView final : public kj::AsyncInputStream {
 public:
  explicit SharedBodyView(kj::Own<SharedBody> body) : body(kj::mv(body)) {}
  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    body->touched = true;
    return body->inner->tryRead(buffer, minBytes, maxBytes);
  }

 private:
  kj::Own<SharedBody> body;
};

kj::Own<kj::AsyncInputStream> SharedBody::view() {
  return kj::heap<SharedBodyView>(kj::addRef(*this));
}

void appendHex(kj::Vector<char>& out, uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) out.add("0123456789abcdef"[(value >> shift) & 15]);
}

void addHeader(kj::Vector<HttpClient::Header>& headers, kj::StringPtr name, kj::StringPtr value) {
  headers.add(HttpClient::Header{kj::heapString(name), kj::heapString(value)});
}

ErrorKind kindOfStatus(Effect effect, unsigned status, bool delivered, bool fromDaemon) {
  if (!delivered && status != 404) return ErrorKind::UNAVAILABLE;
  switch (status) {
    case 400:
    case 411:
    case 413:
    case 414:
    case 422:
      return ErrorKind::INVALID_ARGUMENT;
    case 401:
    case 403:
      return ErrorKind::DENIED;
    case 404:
      return ErrorKind::NOT_FOUND;
    case 429:
      return ErrorKind::UNAVAILABLE;
    case 500:
      // The daemon says so when it has tried and failed; any other 500 may come from a proxy that
      // lost the answer.
      if (fromDaemon) return ErrorKind::FAILED;
      return effect == Effect::ONCE ? ErrorKind::INTERRUPTED : ErrorKind::FAILED;
    case 502:
    case 503:
    case 504:
      return effect == Effect::ONCE ? ErrorKind::INTERRUPTED : ErrorKind::UNAVAILABLE;
    default:
      return status > 504 && effect == Effect::ONCE ? ErrorKind::INTERRUPTED : ErrorKind::FAILED;
  }
}

// For the case that its answer breaks off; none where the request may not or cannot be sent again.
kj::Maybe<Call> copyOf(Call& call) {
  if (call.effect != Effect::IDEMPOTENT || call.body.is<HttpClient::StreamBody>()) return nullptr;
  Call copy;
  copy.method = call.method;
  copy.url = kj::heapString(call.url);
  for (auto& header : call.headers) addHeader(copy.headers, header.name, header.value);
  if (call.body.is<kj::Array<const kj::byte>>()) {
    auto& bytes = call.body.get<kj::Array<const kj::byte>>();
    copy.body.init<kj::Array<const kj::byte>>(kj::heapArray<kj::byte>(bytes.asPtr()));
  }
  copy.contentType = call.contentType;
  copy.accept = call.accept;
  copy.answerTimeout = call.answerTimeout;
  copy.idleTimeout = call.idleTimeout;
  copy.announcedTimeout = call.announcedTimeout;
  copy.alsoAccept = call.alsoAccept;
  copy.route = call.route;
  copy.patient = call.patient;
  copy.lasting = call.lasting;
  copy.what = kj::heapString(call.what);
  return kj::mv(copy);
}

}  // namespace

void Call::json(kj::String text) {
  auto bytes = kj::heapArray<kj::byte>(text.asBytes());
  body.init<kj::Array<const kj::byte>>(kj::mv(bytes));
  contentType = "application/json";
}

kj::String percentEncode(kj::StringPtr text) {
  kj::Vector<char> out(text.size() + 16);
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out.add(c);
    } else {
      auto byte = static_cast<kj::byte>(c);
      out.add('%');
      out.add("0123456789ABCDEF"[byte >> 4]);
      out.add("0123456789ABCDEF"[byte & 15]);
    }
  }
  return kj::heapString(out.asPtr());
}

kj::Exception withFailure(kj::Exception e, unsigned status, kj::StringPtr code, bool delivered) {
  e.wrapContext(FAILURE_MARK, delivered ? 1 : 0, kj::str(status, " ", code));
  return e;
}

Failure failureOf(const kj::Exception& e) {
  Failure result;
  auto context = e.getContext();
  for (;;) {
    KJ_IF_MAYBE (c, context) {
      if (c->file != nullptr && strcmp(c->file, FAILURE_MARK) == 0) {
        result.status = static_cast<unsigned>(strtoul(c->description.cStr(), nullptr, 10));
        KJ_IF_MAYBE (space, c->description.findFirst(' ')) {
          result.code = kj::str(c->description.slice(*space + 1));
        }
        result.delivered = c->line != 0;
        return result;
      }
      if (c->next == nullptr) break;
      context = *KJ_ASSERT_NONNULL(c->next);
    } else {
      break;
    }
  }
  return result;
}

Transport::Transport(const Config& config, HttpClient& http, kj::Timer& timer)
    : config(config), http(http), timer(timer), random(std::random_device{}()) {}

HttpClient::Request Transport::request(Call& call) {
  HttpClient::Request request;
  request.method = call.method;
  request.url = kj::heapString(call.url);
  request.answerTimeout = call.answerTimeout;
  request.idleTimeout = call.idleTimeout;
  request.lasting = call.lasting;
  for (auto& header : call.headers) addHeader(request.headers, header.name, header.value);
  if (config.apiKey.size() > 0) {
    addHeader(request.headers, "Authorization", kj::str("Bearer ", config.apiKey));
  }
  if (config.organizationId.size() > 0 && config.projectId.size() > 0) {
    addHeader(request.headers, wire::ORGANIZATION_ID, config.organizationId);
    addHeader(request.headers, wire::PROJECT_ID, config.projectId);
  }
  addHeader(request.headers, "Accept", call.accept);
  if (call.contentType.size() > 0) addHeader(request.headers, "Content-Type", call.contentType);
  KJ_IF_MAYBE (timeout, call.announcedTimeout) {
    addHeader(request.headers, wire::REQUEST_TIMEOUT_MS, kj::str(*timeout / kj::MILLISECONDS));
  }
  kj::Vector<char> trace;
  trace.addAll("00-"_kj);
  appendHex(trace, random());
  appendHex(trace, random() | 1);  // all zeros is not a valid id
  trace.add('-');
  appendHex(trace, random() | 1);
  trace.addAll("-01"_kj);
  addHeader(request.headers, "traceparent", kj::heapString(trace.asPtr()));
  return request;
}

kj::Exception Transport::failure(const Call& call, unsigned status, kj::ArrayPtr<const char> body) {
  auto error = parseError(body, config.apiKey);
  Outcome outcome{true, status, error.code, nullptr};
  bool notDone = undelivered(outcome);
  auto kind = kindOfStatus(call.effect, status, !notDone, error.code == "INTERNAL_ERROR");
  if (error.code == wire::PATH_TRAVERSAL) kind = ErrorKind::INVALID_ARGUMENT;

  auto text = kj::str("could not ", call.what, ": TensorLake answered ", status);
  if (error.text.size() > 0) text = kj::str(text, ": ", error.text);
  if (error.code.size() > 0) text = kj::str(text, " (", error.code, ")");
  if (status == 401) text = kj::str(text, ". Check TENSORLAKE_API_KEY");
  if (kind == ErrorKind::INTERRUPTED) text = kj::str(text, ". Whether it was done is not known");
  text = kj::str(text, ".");
  return withFailure(makeError(kind, text), status, error.code, !notDone);
}

kj::String Transport::readable(kj::StringPtr text) {
  return oneLine(text, config.apiKey);
}

kj::Promise<kj::Array<kj::byte>> Transport::bodyInTime(HttpClient::Response& response, size_t limit,
                                                       kj::Duration time) {
  auto late = timer.afterDelay(time).then([time]() -> kj::Promise<kj::Array<kj::byte>> {
    return makeError(ErrorKind::INTERRUPTED,
                     kj::str("it was not complete within ", time / kj::SECONDS, " s"));
  });
  return readBody(response, limit).exclusiveJoin(kj::mv(late));
}

kj::Promise<HttpClient::Response> Transport::send(Call call) {
  kj::Maybe<kj::Own<SharedBody>> shared;
  uint64_t streamSize = 0;
  if (call.body.is<HttpClient::StreamBody>()) {
    auto& body = call.body.get<HttpClient::StreamBody>();
    streamSize = body.size;
    shared = kj::refcounted<SharedBody>(kj::mv(body.stream));
  }
  auto begin = timer.now();

  for (unsigned attempt = 0;; ++attempt) {
    auto request = this->request(call);
    KJ_IF_MAYBE (body, shared) {
      request.body.init<HttpClient::StreamBody>(
          HttpClient::StreamBody{(*body)->view(), streamSize});
    } else if (call.body.is<kj::Array<const kj::byte>>()) {
      auto& bytes = call.body.get<kj::Array<const kj::byte>>();
      request.body.init<kj::Array<const kj::byte>>(kj::heapArray<kj::byte>(bytes.asPtr()));
    }

    kj::Maybe<HttpClient::Response> response;
    kj::Maybe<kj::Exception> error;
    Outcome outcome;
    kj::String code;
    try {
      response = co_await http.send(kj::mv(request));
    } catch (kj::Exception& e) {
      error = kj::mv(e);
    }

    KJ_IF_MAYBE (r, response) {
      if ((r->status >= 200 && r->status < 300) || r->status == call.alsoAccept) {
        co_return kj::mv(*r);
      }
      kj::Array<kj::byte> body;
      try {
        body = co_await bodyInTime(*r, ERROR_BODY_LIMIT, ERROR_BODY_TIMEOUT);
      } catch (kj::Exception&) {
        // The status says enough; its explanation is lost.
      }
      outcome.status = r->status;
      KJ_IF_MAYBE (value, r->header("retry-after")) outcome.retryAfter = parseRetryAfter(*value);
      auto e = failure(call, r->status, body.asChars());
      code = failureOf(e).code;
      outcome.code = code;
      error = kj::mv(e);
    } else {
      auto& e = KJ_ASSERT_NONNULL(error);
      auto own = kindOf(e);
      // A request that cannot be, or a server whose certificate is wrong: neither gets better.
      if (own == ErrorKind::INVALID_ARGUMENT || own == ErrorKind::DENIED) {
        throwError(own, kj::str("could not ", call.what, ": ", textOf(e)));
      }
      outcome.sent = HttpClient::phaseOf(e) == TransportPhase::SENT;
      auto kind = !outcome.sent || call.effect == Effect::IDEMPOTENT ? ErrorKind::UNAVAILABLE
                                                                     : ErrorKind::INTERRUPTED;
      auto text = kj::str("could not ", call.what, ": ", textOf(e));
      if (kind == ErrorKind::INTERRUPTED) {
        text = kj::str(text, ". The answer was lost; whether it was done is not known");
      }
      error = withFailure(makeError(kind, text), 0, nullptr, outcome.sent);
    }

    bool again = call.patient;
    KJ_IF_MAYBE (body, shared) again = again && !(*body)->touched;
    double draw = std::uniform_real_distribution<double>(0, 1)(random);
    auto delay = retryDelay(call.effect, outcome, attempt, timer.now() - begin, draw);
    KJ_IF_MAYBE (d, delay) {
      KJ_IF_MAYBE (route, call.route) {
        if (again && attempt % ATTEMPTS_A_LOOK == ATTEMPTS_A_LOOK - 1) {
          again = co_await route->isCurrent();
        }
      }
      if (again) {
        co_await timer.afterDelay(*d);
        continue;
      }
    }
    kj::throwFatalException(kj::mv(KJ_ASSERT_NONNULL(error)));
  }
}

kj::Promise<Transport::Answer> Transport::fetch(Call call, size_t limit) {
  auto what = kj::heapString(call.what);
  auto effect = call.effect;
  auto spare = copyOf(call);
  for (;;) {
    auto response = co_await send(kj::mv(call));
    kj::Maybe<kj::Exception> error;
    try {
      auto body = co_await bodyInTime(response, limit, BODY_TIMEOUT);
      co_return Answer{response.status, kj::mv(body)};
    } catch (kj::Exception& e) {
      error = kj::mv(e);
    }
    auto& e = KJ_ASSERT_NONNULL(error);
    KJ_IF_MAYBE (again, spare) {
      if (kindOf(e) == ErrorKind::INTERRUPTED) {
        call = kj::mv(*again);
        spare = nullptr;
        continue;
      }
    }
    bool tooLong = kindOf(e) == ErrorKind::INVALID_ARGUMENT;
    auto kind = effect == Effect::ONCE ? ErrorKind::INTERRUPTED
                : tooLong              ? ErrorKind::FAILED
                                       : ErrorKind::UNAVAILABLE;
    auto text = kj::str("could not ", what, ": the answer broke off: ", textOf(e));
    kj::throwFatalException(withFailure(makeError(kind, text), response.status, nullptr, true));
  }
}

}  // namespace sandbridge::tensorlake
