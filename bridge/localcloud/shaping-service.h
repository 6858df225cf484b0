#pragma once
// Puts latency and faults between the local cloud and its clients.

#include "localcloud/faults.h"

#include <kj/compat/http.h>
#include <kj/timer.h>

namespace sandbridge::localcloud {

// serveHttp(), with requests passed to `inner` in this shape:
// - Latency is waited before a request is handled, and again before its answer goes out. Streams are shifted by it, not
//   throttled: what is written meanwhile follows at the same distance. So are the messages of WebSockets, both ways.
// - Faults strike one request each; what they do is said in faults.h. On a WebSocket, a cut and a rate count the bytes of the
//   frames to the client, a cut ending in the middle of one; all else strikes its handshake.
//
// All must outlive the promise.
kj::Promise<void> serveShaped(kj::ConnectionReceiver& port, kj::Timer& timer, const kj::HttpHeaderTable& table,
                              kj::HttpService& inner, Shaping shaping);

}  // namespace sandbridge::localcloud
