#pragma once
// Signals to a command's process group.

namespace sandbridge::helper {

// A group that is gone is no error.
int signalGroup(int group, int number);
// SIGTERM, and SIGKILL to what is left 3 s later.
int endGroup(int group);

}  // namespace sandbridge::helper
