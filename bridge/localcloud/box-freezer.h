#pragma once
// Standing still: by cgroup where there is one (v2, then v1), else by the daemon's signals.

#include <kj/async-io.h>
#include <kj/timer.h>

#include "box-record.h"

namespace sandbridge::localcloud {

// Whether the record names a cgroup that can freeze the box.
bool hasCgroupFreezer(const BoxRecord& record);

// Resolves once every process is proven to stand still. Rejects after about a second; the caller then thaws.
kj::Promise<void> freezeCgroup(const BoxRecord& record, kj::Timer& timer);
kj::Promise<void> thawCgroup(const BoxRecord& record, kj::Timer& timer);

// The groups of an ended box. A few tries: the kernel lets go of them a little after the last process.
kj::Promise<void> removeCgroups(kj::Vector<BoxRecord::Group> groups, kj::Timer& timer);

}  // namespace sandbridge::localcloud
