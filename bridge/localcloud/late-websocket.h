#pragma once
// A WebSocket over a long way: each message, in either direction, arrives a fixed time later.

#include <kj/compat/http.h>
#include <kj/refcount.h>
#include <kj/timer.h>

namespace sandbridge::localcloud {

class LateWebSocket : public kj::Refcounted {
 public:
  virtual ~LateWebSocket() noexcept(false) {}

  // For the server's side. Sends resolve before their message has gone out, unless 16 MiB are under way.
  virtual kj::Own<kj::WebSocket> end() = 0;

  // Resolves when everything that was sent has gone out, or cannot.
  virtual kj::Promise<void> drained() = 0;
};

// `inner` is the client's side.
kj::Own<LateWebSocket> newLateWebSocket(kj::Own<kj::WebSocket> inner, kj::Timer& timer, kj::Duration latency);

}  // namespace sandbridge::localcloud
