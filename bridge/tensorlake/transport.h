#pragma once
// Sends requests to TensorLake: headers that every request carries, retries, and answers turned
// into exceptions.

#include "net/http-client.h"
#include "tensorlake/client.h"
#include "tensorlake/retry.h"

#include <kj/refcount.h>

#include <random>

namespace sandbridge::tensorlake {

// Knows whether a request still goes where its sandbox is.
class RouteCheck {
 public:
  // Asked while a request keeps failing; false ends its attempts, so that the sandbox can be found
  // or resumed. Never rejects.
  virtual kj::Promise<bool> isCurrent() = 0;
};

struct Call {
  kj::StringPtr method = "GET";  // a literal
  kj::String url;
  kj::Vector<HttpClient::Header> headers;
  Effect effect = Effect::IDEMPOTENT;
  kj::OneOf<decltype(nullptr), kj::Array<const kj::byte>, HttpClient::StreamBody> body = nullptr;
  kj::StringPtr contentType;  // a literal; empty: none is sent
  kj::StringPtr accept = "*/*";
  // Until the response's headers are there, each attempt for itself.
  kj::Duration answerTimeout = 60 * kj::SECONDS;
  // Longest silence within the response's body.
  kj::Maybe<kj::Duration> idleTimeout;
  // Told to the server, which then bounds what it blocks on.
  kj::Maybe<kj::Duration> announcedTimeout;
  unsigned alsoAccept = 0;  // a status outside 2xx that is an answer, not a failure
  kj::Maybe<RouteCheck&> route;  // must outlive the call
  bool patient = true;  // false: one attempt only
  bool lasting = false;  // as HttpClient::Request's

  // For the texts of errors: "create the sandbox".
  kj::String what;

  void json(kj::String text);
};

class Transport {
 public:
  Transport(const Config& config, HttpClient& http, kj::Timer& timer);

  // Resolves with a 2xx answer (or `alsoAccept`).
  kj::Promise<HttpClient::Response> send(Call call);
  // The same with the whole body, which may have `limit` bytes.
  struct Answer {
    unsigned status;
    kj::Array<kj::byte> body;
  };
  kj::Promise<Answer> fetch(Call call, size_t limit = 16u << 20);

  kj::Timer& getTimer() { return timer; }

  // A text of the server's for people, without the key that it may echo.
  kj::String readable(kj::StringPtr text);
  kj::StringPtr secret() const { return config.apiKey; }

 private:
  const Config& config;
  HttpClient& http;
  kj::Timer& timer;
  std::mt19937_64 random;

  HttpClient::Request request(Call& call);
  kj::Exception failure(const Call& call, unsigned status, kj::ArrayPtr<const char> body);
  kj::Promise<kj::Array<kj::byte>> bodyInTime(HttpClient::Response& response, size_t limit,
                                              kj::Duration time);
};

// An exception for `failureOf` to read back.
kj::Exception withFailure(kj::Exception e, unsigned status, kj::StringPtr code, bool delivered);

// For one path segment or one query value.
kj::String percentEncode(kj::StringPtr text);

}  // namespace sandbridge::tensorlake
