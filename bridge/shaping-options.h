#pragma once
// --latency and --fault, of the commands that run the local cloud.

#include "localcloud/faults.h"

#include <kj/main.h>

namespace sandbridge {

constexpr kj::StringPtr LATENCY_HELP =
    "Makes each request to the local sandboxes' server, and each answer of it, take this much longer, one way. Streams "
    "arrive later, not slower. For tests of clients."_kj;
kj::String faultHelp();

kj::Function<kj::MainBuilder::Validity(kj::StringPtr)> takeLatency(localcloud::Shaping& shaping);
kj::Function<kj::MainBuilder::Validity(kj::StringPtr)> takeFault(localcloud::Shaping& shaping);

}  // namespace sandbridge
