#pragma once
// The language servers of one session, one of a kind: started with the first file that they know, kept,
// ended when they have nothing to do for minutes.

#include "tools/language-servers.h"
#include "tools/workspace.h"

#include <kj/timer.h>

namespace sandbridge::lsp {

// `workspace` and `timer` must outlive it. `limit`: how long a check waits for answers.
kj::Own<LanguageServers> newSessionServers(Workspace& workspace, kj::Timer& timer,
                                           kj::Duration limit = DIAGNOSTICS_LIMIT);

}  // namespace sandbridge::lsp
