#pragma once
// TCP through a WebSocket: `GET /api/v1/tunnels/tcp?port=N`. Each WebSocket is one connection to what listens on that port of
// the sandbox's own loopback, exposed or not. Bytes travel in binary frames of whatever size; text is refused.

#include "localcloud/registry.h"

#include <kj/compat/http.h>

namespace sandbridge::localcloud {

constexpr kj::StringPtr TUNNEL_PATH = "/api/v1/tunnels/tcp"_kj;

// Answers 400 when the request is not a WebSocket's or names no port, and 502 when nothing listens there. Wakes a suspended
// sandbox. Each direction goes at the pace of its reader. There is no half-close: whoever closes ends the tunnel; what the
// sandbox sent before its end still arrives. Traffic keeps the sandbox from being idle; an open tunnel alone does not. Cut with
// code 1001 when the sandbox is suspended or ends.
kj::Promise<void> serveTcpTunnel(kj::Timer& timer, const kj::HttpHeaderTable& table, kj::Own<Sandbox> sandbox,
                                 kj::String url, bool isWebSocket, kj::HttpService::Response& response);

}  // namespace sandbridge::localcloud
