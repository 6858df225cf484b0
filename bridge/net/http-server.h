#pragma once
// kj::HttpServer of Cap'n Proto 0.9.2 with its traps closed: an accept loop that survives connections reset
// before they are accepted, a guard against hostile framing headers (CVE-2026-32239, CVE-2026-32240), and error
// answers that tell nothing about our sources.

#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <kj/function.h>

namespace sandbridge {

// Serves `service` on each connection that `port` accepts, until the promise is dropped. Never resolves, and
// rejects only when the port itself breaks for good; running out of file descriptors is waited through, and so is
// having 1000 connections.
//
// - Requests with a Transfer-Encoding or a Content-Length that is not a plain number below 2^48 are answered
//   400 (411 if they are merely chunked) and their connection is closed, before `service` sees them.
// - The promise of `service.request()` is dropped when the client hangs up: at once when it resets the connection, after half
//   a second when it closes or half-closes it. After acceptWebSocket() the WebSocket itself tells.
// - What `service.request()` throws is answered by its kind (base/error.h) with its text: notFound 404, invalidArgument 400,
//   denied 403, unavailable 503, interrupted 502, sandboxLost 410, failed 500. The text of foreign exceptions goes to the
//   log only. Once the response has begun the connection is closed instead, and a chunked body lacks its end.
// - A response body ends when `service.request()` resolves, not when its stream is dropped.
// - A connection must bring its first request's headers within 15 s, and may then be idle for 150 s.
// - With a `pingInterval` WebSockets are pinged so often, and closed when their peer does not answer until the next. Only for
//   services that send and receive messages: WebSocket::pumpTo() writes pieces of them, between which a ping would do harm.
//
// `table` must have been built; the caller keeps everything alive while the promise lives.
kj::Promise<void> serveHttp(kj::ConnectionReceiver& port, kj::Timer& timer,
                            const kj::HttpHeaderTable& table, kj::HttpService& service,
                            kj::Maybe<kj::Duration> pingInterval = nullptr);

// Makes the service of one connection. The stream is what `port` accepted; it outlives the service, which may not read it.
using ServiceOfConnection = kj::Function<kj::Own<kj::HttpService>(kj::AsyncIoStream& stream)>;

// The same with a service for each connection.
kj::Promise<void> serveHttp(kj::ConnectionReceiver& port, kj::Timer& timer,
                            const kj::HttpHeaderTable& table, ServiceOfConnection services,
                            kj::Maybe<kj::Duration> pingInterval = nullptr);

// One answer with a text body. For errors: a sentence that says what to do next.
kj::Promise<void> respondText(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                              unsigned status, kj::StringPtr statusText, kj::StringPtr body,
                              kj::StringPtr contentType = "text/plain; charset=utf-8");

}  // namespace sandbridge
