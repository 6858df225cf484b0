#pragma once
// A Workspace over a TensorLake sandbox.

#include "sandbox/access.h"
#include "sandbox/process.h"
#include "tools/workspace.h"

namespace sandbridge {

// `access` must outlive the workspace and its promises.
kj::Own<Workspace> newSandboxWorkspace(SandboxAccess& access,
                                       Engine engine = Engine::BEST);

// `path` on `root`, without `.`, `..` and doubled slashes: TensorLake refuses `..`. Throws
// INVALID_ARGUMENT for a NUL, for what is not UTF-8, and for paths over 4096 bytes.
kj::String resolvePath(kj::StringPtr root, kj::StringPtr path);

}  // namespace sandbridge
