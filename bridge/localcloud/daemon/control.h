#pragma once
// The daemon's second socket, for the server alone (no client's request ever reaches it). One line in, one line out:
//
//   hello     ->  "box INSTANCE"   and a pidfd of the daemon, which works on the host whatever happens to pid numbers
//   stop      ->  "stopped", once every other process of the box is proven to stand still, or "failed WHY" with all running
//   continue  ->  "continued"
//   connect PORT  ->  "connected" and a socket to what listens on that port inside (port-connector.h), or "failed WHY"

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include "active-time.h"

namespace sandbridge::localcloud::daemon {

kj::Promise<void> serveControl(kj::Own<kj::ConnectionReceiver> port, kj::LowLevelAsyncIoProvider& io,
                               kj::UnixEventPort& events, ActiveTime& time, kj::String instance);

}  // namespace sandbridge::localcloud::daemon
