#pragma once
// What a box's processes may not do, beyond what the namespaces take away.

namespace sandbridge::localcloud {

// Drops every capability but what a package manager needs (the daemon alone keeps ptrace, so that commands can never trace
// it), forbids gaining privileges, and installs the system call filter. Returns the name of the step that failed with errno
// set, or nullptr. Async-signal-safe.
const char* harden();

// For commands: drops what the daemon alone may keep. Async-signal-safe.
bool dropDaemonCapabilities();

}  // namespace sandbridge::localcloud
