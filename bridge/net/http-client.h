#pragma once
// HTTP requests by libcurl on the KJ event loop: one multi handle for the whole process, so that all sessions share
// kept-alive connections (HTTP/2 where ALPN gives it).

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/common.h>
#include <kj/one-of.h>
#include <kj/string.h>
#include <kj/timer.h>
#include <kj/vector.h>

namespace sandbridge {

// How far a failed request got: only one that never left may be repeated without a thought.
enum class TransportPhase { NOT_SENT, SENT };

class HttpClient {
 public:
  struct Header {
    kj::String name;
    kj::String value;
  };

  struct StreamBody {
    kj::Own<kj::AsyncInputStream> stream;
    uint64_t size;  // bytes; sent as Content-Length
  };

  struct Request {
    kj::StringPtr method = "GET";  // must outlive the request: a literal
    kj::String url;
    kj::Vector<Header> headers;
    // None sends no body, and `Content-Length: 0` on POST and PUT.
    kj::OneOf<decltype(nullptr), kj::Array<const kj::byte>, StreamBody> body = nullptr;
    kj::Duration connectTimeout = 10 * kj::SECONDS;
    // From the start to the last byte of the response body. Absent: no limit (streams).
    kj::Maybe<kj::Duration> totalTimeout;
    // Longest silence while the response is awaited or read. Absent: no limit.
    kj::Maybe<kj::Duration> idleTimeout;
  };

  struct Response {
    unsigned status;
    kj::Vector<Header> headers;  // names in lower case
    // Dropping it before its end cancels the transfer. Reading slowly holds back the sender.
    kj::Own<kj::AsyncInputStream> body;

    kj::Maybe<kj::StringPtr> header(kj::StringPtr lowerCaseName) const;
  };

  // Resolves when the response's headers are there. Dropping the promise cancels the transfer. Rejects with an
  // exception for which `phaseOf` answers; its text names the host and what went wrong, never a header's value.
  virtual kj::Promise<Response> send(Request request) = 0;

  // NOT_SENT for failures of name look-up, connect, TLS; SENT for all others, and for foreign exceptions.
  static TransportPhase phaseOf(const kj::Exception& e);
};

kj::Own<HttpClient> newHttpClient(kj::UnixEventPort& port, kj::Timer& timer);

// The whole body, or an INVALID error when it is longer than `limit` bytes.
kj::Promise<kj::Array<kj::byte>> readBody(HttpClient::Response& response, size_t limit);

}  // namespace sandbridge
