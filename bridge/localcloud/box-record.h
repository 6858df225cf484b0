#pragma once
// What is written down about a box, in its folder, so that a later server can find and adopt it.

#include <stdint.h>

#include <kj/common.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

struct BoxRecord {
  kj::String id;
  kj::String instance;  // of the daemon; new with each start
  kj::String bootId;
  kj::String state;     // "starting", "running", "frozen", "paused" (for a snapshot), "stopped"
  kj::Vector<kj::String> layers;  // ids of the snapshots that it stands on, top first
  bool everRan = false;  // false: half-made, nothing in it is worth keeping
  uint64_t pidNamespace = 0;
  struct Group {
    kj::String folder;
    bool v2;
    bool freezer;
  };
  kj::Vector<Group> cgroups;

  BoxRecord clone() const;

  // Replaces the file in one step.
  void save(kj::StringPtr folder) const;
  static kj::Maybe<BoxRecord> load(kj::StringPtr folder);
};

}  // namespace sandbridge::localcloud
