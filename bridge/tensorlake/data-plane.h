#pragma once
// The inside of one sandbox over HTTP.

#include "tensorlake/client.h"
#include "tensorlake/transport.h"

namespace sandbridge::tensorlake {

// Throws FAILED when the sandbox has no data-plane URL and none is configured, or when the URL is
// one that a key must not be sent to.
kj::Own<DataPlane> newDataPlane(const Config& config, Transport& transport, const Sandbox& sandbox);

}  // namespace sandbridge::tensorlake
