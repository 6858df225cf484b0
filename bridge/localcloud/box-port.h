#pragma once
// A port inside a sandbox, for a request from outside.

#include "localcloud/registry.h"

#include <kj/one-of.h>

namespace sandbridge::localcloud {

// Waits until the sandbox runs, waking a suspended one, and connects to what listens on `port` of its loopback. 502 when
// nothing does.
kj::Promise<kj::OneOf<kj::Own<kj::AsyncIoStream>, Refusal>> openPort(Sandbox& sandbox, uint16_t port);

}  // namespace sandbridge::localcloud
