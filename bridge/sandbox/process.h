#pragma once
// One command in a sandbox, from its start to its end or its killing.

#include "sandbox/access.h"
#include "sandbox/command-script.h"
#include "tools/workspace.h"

namespace sandbridge {

// Starts `command` in `workdir` (absolute). The launch goes on when the promise is dropped, so that
// what was started can be killed.
kj::Promise<kj::Own<WorkspaceProcess>> startProcess(SandboxAccess& access, WorkspaceCommand command,
                                                    kj::String workdir, kj::StringPtr root,
                                                    ScriptEngine engine, OutputReceiver& output);

// Runs a request of command-script.h whose output nobody wants, for at most 30 s.
kj::Promise<void> runQuietly(kj::Own<SandboxUse> use, kj::Timer& timer,
                             tensorlake::ProcessRequest request);

}  // namespace sandbridge
