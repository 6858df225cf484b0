#pragma once
// Starting a command in a sandbox, once, whatever gets lost.

#include "sandbox/access.h"
#include "tools/workspace.h"

namespace sandbridge {

enum class Engine {
  BEST,         // the helper, or where that is impossible the shell
  SHELL_ONLY,
  HELPER_ONLY,
};

// Starts `command` in `workdir` (absolute). None: HELPER_ONLY, and the sandbox cannot run the
// helper; nothing has been done. The launch goes on when the promise is dropped, so that what was
// started can be killed. With `leave` a process that is dropped is not killed.
kj::Promise<kj::Maybe<kj::Own<WorkspaceProcess>>> startProcess(
    SandboxAccess& access, WorkspaceCommand command, kj::String workdir, kj::StringPtr root,
    Engine engine, bool leave, OutputReceiver& output);

}  // namespace sandbridge
