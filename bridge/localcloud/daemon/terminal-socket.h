#pragma once
// The WebSocket of a terminal's client.
//
// Binary messages begin with an opcode. From the client: 00 and what is typed, 01 and columns and rows (two bytes each, big
// endian), 02 when it is ready to be shown something. From us: 00 and what is shown, 03 and the exit code (four bytes).
//
// Closed with 1000 `exit:N` after the program's end, 1001 `session terminated` when somebody ended it, 1008 when a client does
// not take its output (1 MiB before it is ready, 16 MiB after), or types more than 1 MiB in a second.

#include <kj/compat/http.h>

#include "terminals.h"

namespace sandbridge::localcloud::daemon {

// Until one side closes. Everything but `terminal` must outlive the promise.
kj::Promise<void> serveTerminal(kj::Own<Terminal> terminal, kj::WebSocket& socket, kj::Timer& timer);

}  // namespace sandbridge::localcloud::daemon
