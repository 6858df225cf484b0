#pragma once
// The boot command of a sandbox, started through its daemon like any other process.

#include "localcloud/box.h"

namespace sandbridge::localcloud {

// Resolves when the daemon has started it; rejects with the daemon's words when it could not.
// `command` is the executable and its arguments, and must not be empty.
kj::Promise<void> startEntrypoint(Box& box, kj::ArrayPtr<const kj::String> command);

}  // namespace sandbridge::localcloud
