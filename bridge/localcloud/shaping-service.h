#pragma once
// Puts latency and faults between the local cloud and its clients.

#include "localcloud/faults.h"

#include <kj/compat/http.h>
#include <kj/timer.h>

namespace sandbridge::localcloud {

// Passes requests to `inner`, shaped:
// - Latency is waited before a request is handled, and again before its answer goes out. Streams are shifted by it, not
//   throttled: what is written meanwhile follows at the same distance.
// - A reset closes the connection without an answer; a cut closes it in the middle of one.
// - WebSockets have the first latency and the failures only.
//
// All must outlive the service, and `table` must be the server's.
kj::Own<kj::HttpService> newShapingService(kj::HttpService& inner, const kj::HttpHeaderTable& table,
                                           kj::Timer& timer, Shaping shaping);

}  // namespace sandbridge::localcloud
