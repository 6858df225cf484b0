#pragma once
// How a network policy is enforced on a box: rules of nf_tables in its network namespace, and slirp4netns as the way out. Both
// outlive the server.

#include <kj/async-io.h>
#include <kj/io.h>

#include "network-policy.h"
#include "network-spec.h"

namespace sandbridge::localcloud {

// With the addresses that this machine has now.
NetworkSpec enforcementOf(const NetworkPolicy& policy);

// For a running box, frozen or not. Rejects with FAILED "<step>: <reason>"; then the box reaches what it did before, or less.
// Dropping the promise ends the attempt, with the same outcome as a rejection or with success. `image`: of box-image.h;
// `box`: the pidfd of the box's daemon.
kj::Promise<void> changeNetwork(kj::AsyncIoContext& io, int image, kj::AutoCloseFd box, NetworkSpec spec);

}  // namespace sandbridge::localcloud
