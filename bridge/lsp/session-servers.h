#pragma once
// The language servers of one session, one of a kind: started with the first file that they know, kept,
// ended when they have nothing to do for minutes.

#include "tools/language-servers.h"
#include "tools/workspace.h"

#include <kj/timer.h>

namespace sandbridge::lsp {

// A server that the sandbox does not have is looked for again after a while: somebody may have installed it.
constexpr auto LOOK_AGAIN = 1 * kj::MINUTES;

// `workspace` and `timer` must outlive it. `limit`: how long a check waits for answers.
kj::Own<LanguageServers> newSessionServers(Workspace& workspace, kj::Timer& timer,
                                           kj::Duration limit = DIAGNOSTICS_LIMIT,
                                           kj::Duration lookAgain = LOOK_AGAIN);

}  // namespace sandbridge::lsp
