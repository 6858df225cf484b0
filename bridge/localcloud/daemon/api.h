#pragma once
// `/api/v1` of TensorLake's in-sandbox daemon over HTTP: processes, their output as event streams, terminals, files.

#include <kj/compat/http.h>

#include "processes.h"
#include "terminal-api.h"

namespace sandbridge::localcloud::daemon {

// Commands without a working directory run in `defaultFolder`. All must outlive the service.
kj::Own<kj::HttpService> newApi(const kj::HttpHeaderTable& table, Processes& processes,
                                TerminalApi& terminals, kj::Timer& timer, kj::StringPtr defaultFolder);

}  // namespace sandbridge::localcloud::daemon
