#pragma once
// The entries of a directory in the sandbox, by a shell script that needs no more than POSIX sh, stat and xargs -0 (busybox
// has them), and exact for every name.

#include "tools/workspace.h"

namespace sandbridge {

struct DirectoryEntry {
  kj::String name;
  bool isDirectory = false;  // a link to a directory is one
  uint64_t size = 0;
  int64_t modifiedAt = 0;    // ms since 1970
};

// `path` is absolute. Directories first, then by name.
kj::Promise<kj::Array<DirectoryEntry>> listDirectory(Workspace& workspace, kj::String path);

// Deletes one file or link. `path` is absolute.
kj::Promise<void> removeFile(Workspace& workspace, kj::String path);

// What LIST_SCRIPT prints: "d./name\0" or "f./name\0" for each entry, an empty name, and for the entries that stat
// could read, in the same order, "SIZE SECONDS ./name\n". Throws FAILED for anything else.
kj::Array<DirectoryEntry> parseListing(kj::ArrayPtr<const char> text);

}  // namespace sandbridge
