#pragma once
// What the server tells the helper that copies a box's files, and what they say to each other. The helper runs as its own
// process (the embedded executable), so that the server's loop never waits for a disk.
//
// Over the socket, one packet each: the helper says "copied" once the first, unhurried copy is made; the server pauses the
// box and says "paused"; the helper brings the copy up to date and says "taken"; the server lets the box go on; the helper
// finishes and says "done <json>" with `bytes`, `files` and `copied`. Without a running box it starts with the second copy.
// "error <step and reason>" may come instead of any of them. When the server is gone, the helper ends.

#include <stdint.h>

#include <kj/array.h>
#include <kj/common.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

struct SnapshotSpec {
  kj::String id;         // of the snapshot
  kj::String box;        // the box's folder, absolute
  kj::String making;     // where "files" and "index" are made; exists and is empty
  kj::String snapshots;  // the folder of all snapshots, absolute
  uint64_t pidNamespace = 0;  // 0: nothing runs in the box
  bool range = false;         // root mode: owners are kept

  kj::Array<kj::String> toArguments() const;
  static SnapshotSpec fromArguments(kj::ArrayPtr<char*> arguments);
};

// In the folder of a box: what its files were when its last snapshot was taken.
constexpr kj::StringPtr SNAPSHOT_INDEX = "snapshot-index"_kj;

// Entry of the embedded executable's "snapshot".
int snapshotMain(int socket, SnapshotSpec spec);

// Entry of "sync": waits until everything on the file system of `folder` is on the disk.
int syncMain(const char* folder);

}  // namespace sandbridge::localcloud
