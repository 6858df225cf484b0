#pragma once
// Ending commands of a sandbox, and other requests of which nobody wants more than that they are done.

#include "sandbox/access.h"

namespace sandbridge {

// Runs a request whose output nobody wants, for at most 30 s.
kj::Promise<void> runQuietly(kj::Own<SandboxUse> use, kj::Timer& timer,
                             tensorlake::ProcessRequest request);

// By the helper, or by the shell if the helper is not there. `byHelper` and `byShell` do the same
// however often they come.
kj::Promise<void> runEither(kj::Own<SandboxUse> use, kj::Timer& timer, bool helped,
                            tensorlake::ProcessRequest byHelper,
                            tensorlake::ProcessRequest byShell);

// Ends a process group. Unlike other commands, this one can be sent twice, and is, while its answers
// get lost. Never rejects.
kj::Promise<void> endGroup(kj::Own<SandboxUse> use, kj::Timer& timer, bool helped, uint32_t group);

// Ends a command of which nothing but its start is known: the daemon's pid and, of the helper, the
// operation. Never rejects.
kj::Promise<void> endUnseen(kj::Own<SandboxUse> use, kj::Timer& timer, uint32_t daemonPid,
                            kj::String operation);

// Reads what is left of a stream, so that its connection can be used again. Never rejects.
kj::Promise<void> drain(kj::Own<tensorlake::ProcessEvents> events, kj::Timer& timer);

}  // namespace sandbridge
