#pragma once
// The end of boxes' cgroups.

#include <kj/async.h>
#include <kj/timer.h>

#include "box-host.h"
#include "box-record.h"

namespace sandbridge::localcloud {

// The groups of a box that has ended.
kj::Promise<void> removeCgroups(kj::Vector<BoxRecord::Group> groups, kj::Timer& timer);

// What boxes of any server left here whose folder was deleted under them: empty groups go; frozen boxes are thawed, and then
// notice by themselves that they are not wanted any more. Leaves every other box alone.
void sweepCgroups(const BoxHost& host);

}  // namespace sandbridge::localcloud
