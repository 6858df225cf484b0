#pragma once
// Asking a process over its port whether it is well.

#include <kj/async-io.h>
#include <kj/compat/http.h>

namespace sandbridge::localcloud::daemon {

struct HealthCheck {
  bool http = false;  // or TCP: it is well when it takes connections
  uint16_t port = 0;
  kj::String path = kj::str("/");  // of HTTP: well are answers 200 to 399
  uint64_t initialDelayMs = 5000;
  uint64_t intervalMs = 1000;
  uint64_t timeoutMs = 500;
  unsigned failureThreshold = 3;
};

// One question to 127.0.0.1. Resolves to nothing when all is well, else to what is not; never rejects, and waits no longer than
// the check's timeout. `check` must outlive the promise.
kj::Promise<kj::Maybe<kj::String>> askHealth(kj::LowLevelAsyncIoProvider& io, const HealthCheck& check);

}  // namespace sandbridge::localcloud::daemon
