#pragma once
// Commands in the sandbox's shell, with a copy of long output, for workspaces that know neither.

#include "tools/workspace.h"

namespace sandbridge {

// An argument list that does what `command.inShell` and `command.copy` ask for. A command that has a
// copy must be in the shell, with its outputs merged.
kj::Array<kj::String> shellArgv(const WorkspaceCommand& command);

}  // namespace sandbridge
