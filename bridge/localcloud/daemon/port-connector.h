#pragma once
// Connections to what listens inside the box, made for the server: they can be handed out of the box's network namespace.

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/io.h>
#include <kj/one-of.h>

namespace sandbridge::localcloud::daemon {

// A connected socket to that port of 127.0.0.1, or of ::1 when nothing listens there; or why there is none.
kj::Promise<kj::OneOf<kj::AutoCloseFd, kj::String>> connectToPort(kj::LowLevelAsyncIoProvider& io,
                                                                  kj::UnixEventPort& events, uint16_t port);

}  // namespace sandbridge::localcloud::daemon
