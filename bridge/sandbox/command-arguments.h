#pragma once
// What can be an argument of a command in a sandbox.

#include "tools/workspace.h"

namespace sandbridge {

// These throw INVALID_ARGUMENT.

// `what` names the argument in the error; `total` grows by its size and is checked too.
void checkArgument(kj::StringPtr argument, kj::StringPtr what, size_t& total);
void checkCommand(const WorkspaceCommand& command, kj::StringPtr workdir);
void checkSignal(int number);

}  // namespace sandbridge
