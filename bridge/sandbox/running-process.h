#pragma once
// A command that has been started in a sandbox, until its end or its killing.

#include "sandbox/access.h"
#include "sandbox/command-script.h"
#include "tools/workspace.h"

namespace sandbridge {

// How often the rest of an output, or a lost answer, is asked for, with growing pauses, some 15 s
// together.
constexpr unsigned JOIN_ATTEMPTS = 9;
kj::Duration joinPause(unsigned attempt);

// A command as the sandbox runs it.
struct Running {
  kj::Own<tensorlake::ProcessEvents> events;
  CommandOutput decoder;
  kj::Array<CommandOutput::Step> early;  // came before the start was told
  uint32_t daemonPid = 0;                // of a command with standard input
  kj::String operation;                  // empty: by the shell
};

// With `leave` a process that is dropped is not killed.
kj::Own<WorkspaceProcess> newRunningProcess(SandboxAccess& access, kj::Own<SandboxUse> use,
                                            Running running, bool hasStdin,
                                            kj::Maybe<kj::Duration> timeout, bool leave,
                                            OutputReceiver& output);

}  // namespace sandbridge
