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

// Without waiting or proof, whatever the group holds.
void thawGroup(kj::StringPtr folder, bool v2);

}  // namespace sandbridge::localcloud
