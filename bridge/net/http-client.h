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
  virtual ~HttpClient() noexcept(false) {}

  struct Header {
    kj::String name;
    kj::String value;
  };

  struct StreamBody {
    kj::Own<kj::AsyncInputStream> stream;
    uint64_t size;  // bytes; sent as Content-Length. A stream that ends before fails the request.
  };

  struct Request {
    kj::StringPtr method = "GET";  // must outlive the request: a literal
    kj::String url;
    kj::Vector<Header> headers;
    // None sends no body, and `Content-Length: 0` on POST and PUT.
    kj::OneOf<decltype(nullptr), kj::Array<const kj::byte>, StreamBody> body = nullptr;
    kj::Duration connectTimeout = 10 * kj::SECONDS;
    // From the start, waiting for a free connection included, until the response's headers are there. Absent: no limit.
    kj::Maybe<kj::Duration> answerTimeout;
    // As answerTimeout, to the last byte of the response body. Absent: no limit (streams).
    kj::Maybe<kj::Duration> totalTimeout;
    // Longest silence while the response is awaited or read; the time that the reader takes does not count. Absent: no limit.
    kj::Maybe<kj::Duration> idleTimeout;
    // Whether the response goes on for as long as something else does. Of a host's connections some are kept free of these; one
    // too many waits, not longer than answerTimeout.
    bool lasting = false;
  };

  struct Response {
    unsigned status;
    kj::Vector<Header> headers;  // names in lower case
    // Dropping it before its end cancels the transfer. Reading slowly holds back the sender: 256 KiB wait here, over HTTP/2
    // the 32 MiB that curl allows a stream.
    kj::Own<kj::AsyncInputStream> body;

    kj::Maybe<kj::StringPtr> header(kj::StringPtr lowerCaseName) const;
  };

  // Resolves when the response's headers are there. Dropping the promise cancels the transfer. Rejects with an
  // exception for which `phaseOf` answers (UNAVAILABLE if NOT_SENT, DENIED if that is because of the server's certificate,
  // INTERRUPTED if SENT; INVALID_ARGUMENT for a request that can never be sent); its text names the host and what went wrong, never a header's value, path or query. So does the body
  // when it breaks or ends before its time. Redirects are not followed. No request with effects is sent twice: where curl would
  // repeat one on a fresh connection, all but GET and HEAD reject as SENT.
  virtual kj::Promise<Response> send(Request request) = 0;

  // NOT_SENT for failures of name look-up, connect, TLS; SENT for all others, and for foreign exceptions.
  static TransportPhase phaseOf(const kj::Exception& e);
};

// At most 256 connections a host, 224 of them for lasting responses, and as many kept alive in all. Proxies as in curl's environment variables (http_proxy, ...), but none for loopback.
// Certificates: CURL_CA_BUNDLE or SSL_CERT_FILE if set, else the system's. Responses may outlive the client.
kj::Own<HttpClient> newHttpClient(kj::UnixEventPort& port, kj::Timer& timer);

// The whole body, or INVALID_ARGUMENT when it is longer than `limit` bytes. `response` must outlive the promise.
kj::Promise<kj::Array<kj::byte>> readBody(HttpClient::Response& response, size_t limit);

}  // namespace sandbridge
