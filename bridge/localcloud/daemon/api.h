#pragma once
// `/api/v1` of TensorLake's in-sandbox daemon over HTTP: processes, their output as event streams, files.

#include <kj/compat/http.h>

#include "processes.h"

namespace sandbridge::localcloud::daemon {

// `table` must be built with no more than the built-in headers' ids needed by the service.
kj::Own<kj::HttpService> newApi(const kj::HttpHeaderTable& table, Processes& processes,
                                kj::Timer& timer);

}  // namespace sandbridge::localcloud::daemon
