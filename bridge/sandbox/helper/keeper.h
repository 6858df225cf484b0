#pragma once
// The process that starts the commands of a sandbox and keeps what they print: what it starts
// outlives the requests that asked for it, and a request can be repeated without effect.

namespace sandbridge::helper {

// `folder` is where the helper lies. Returns when there is a keeper already, or nothing to keep any
// more; an exit code.
int keep(const char* folder);

}  // namespace sandbridge::helper
