#pragma once
// Which TCP ports something in the sandbox listens on, for preview_url. Needs no rights but to read /proc/net.

namespace sandbridge::helper {

// For `forMs` it prints, at the beginning and at each change, the lowest 64 ports of any address as a line:
//   l PORT PORT ...
// A port counts once two looks have found it, so that what listens only for a moment is not told. Ends early when
// nobody reads. An exit code.
int watchPorts(long forMs);

}  // namespace sandbridge::helper
