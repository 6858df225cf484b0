#pragma once
// `/api/v1` of TensorLake's in-sandbox daemon over HTTP: processes, their output as event streams, terminals, files.

#include <kj/compat/http.h>

#include "process-api.h"
#include "processes.h"
#include "terminal-api.h"

namespace sandbridge::localcloud::daemon {

// All must outlive the service.
kj::Own<kj::HttpService> newApi(const kj::HttpHeaderTable& table, const Processes& processes,
                                ProcessApi& processApi, TerminalApi& terminalApi, kj::Timer& timer);

}  // namespace sandbridge::localcloud::daemon
