#pragma once
// How the data plane reaches the daemon in a sandbox, and how it says that it could not.

#include "localcloud/registry.h"

namespace sandbridge::localcloud {

// Waits until the sandbox can take a request, waking a suspended one if `wakes`. None: it can, and runningBox() is there.
kj::Promise<kj::Maybe<Refusal>> whenReachable(Sandbox& sandbox, bool wakes);

// A connection of its own for one request. Rejects with a proxyError().
kj::Promise<kj::Own<kj::AsyncIoStream>> connectToDaemon(Box& box, kj::Timer& timer);

// What went wrong between us and the daemon, as an exception on its way to the one place that answers.
kj::Exception proxyError(unsigned status, kj::StringPtr code, kj::StringPtr text);

// The reverse. Foreign exceptions count as a connection that broke.
Refusal refusalOf(const kj::Exception& e);

}  // namespace sandbridge::localcloud
