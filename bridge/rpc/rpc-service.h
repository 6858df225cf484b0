#pragma once
// The bridge's one HTTP port: Cap'n Proto RPC at `/rpc`, `/healthz`, and the rest for the front.

#include "rpc/rpc-api.h"

#include <kj/async-io.h>
#include <kj/compat/http.h>

namespace sandbridge {

struct RpcServiceOptions {
  kj::String token;                       // what `Authorization: Bearer` must hold on the upgrade
  kj::Array<kj::String> allowedOrigins;   // of browsers, for example "https://example.com"
  kj::String health;                      // the JSON body of /healthz
};

// - `/rpc`: 426 without an upgrade, 403 for a browser's Origin that is not allowed, 401 without the right token.
// - `/healthz`: 200, no token asked.
// - all other paths: `front` (who may be `newNoFront()`).
// `rpcApi`, `table` and `front` must outlive the service.
kj::Own<kj::HttpService> newRpcService(RpcApi& rpcApi, const kj::HttpHeaderTable& table,
                                       kj::HttpService& front, RpcServiceOptions options);

// Answers 404 and says what `--opencode` would do here.
kj::Own<kj::HttpService> newNoFront(const kj::HttpHeaderTable& table);

// `port`, with TCP keep-alive on what it accepts, so that peers that vanished without a word are noticed in about
// a minute. kj::WebSocket sends no pings.
kj::Own<kj::ConnectionReceiver> withKeepAlive(kj::Own<kj::ConnectionReceiver> port);

// The same for one stream. Streams that are no sockets stay as they are.
void setKeepAlive(kj::AsyncIoStream& stream);

}  // namespace sandbridge
