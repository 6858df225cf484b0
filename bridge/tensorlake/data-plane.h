#pragma once
// The inside of one sandbox over HTTP.

#include "tensorlake/client.h"
#include "tensorlake/transport.h"

#include <kj/function.h>

namespace sandbridge::tensorlake {

// Looks a sandbox up by its id, once and without patience.
using Lookup = kj::Function<kj::Promise<kj::Maybe<Sandbox>>(kj::String id)>;

// Throws FAILED when the sandbox has no data-plane URL and none is configured, or when the URL is
// one that a key must not be sent to.
kj::Own<DataPlane> newDataPlane(const Config& config, Transport& transport, const Sandbox& sandbox,
                                Lookup lookup);

}  // namespace sandbridge::tensorlake
