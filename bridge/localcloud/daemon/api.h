#pragma once
// `/api/v1` of TensorLake's in-sandbox daemon over HTTP: processes, their output as event streams, files.

#include <kj/compat/http.h>

#include "processes.h"

namespace sandbridge::localcloud::daemon {

// Commands without a working directory run in `defaultFolder`.
kj::Own<kj::HttpService> newApi(const kj::HttpHeaderTable& table, Processes& processes,
                                kj::Timer& timer, kj::String defaultFolder);

}  // namespace sandbridge::localcloud::daemon
