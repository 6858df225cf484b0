#pragma once
// The file system of a box: overlays of the host's folders over a skeleton, then /proc, /dev and the masks.
// Runs in the launcher (single-threaded, current directory = the box's folder), partly inside the new namespaces.
//
// Layout of the box's folder: upper/<layer> holds every byte that the box wrote, work/<layer> is overlayfs' scratch,
// low/<layer> are places for the shifted host folders, m is where the root is put together. All paths given to mount() are
// relative: the box can read them in /proc/mounts.

#include "launch-spec.h"

namespace sandbridge::localcloud {

// Where a step of the launch failed. Thrown within the launcher only.
struct LaunchFailure {
  kj::String step;
  int error;
};

[[noreturn]] void failStep(kj::StringPtr step);  // with errno

// The folders of the box, and files that hold the box's own names: hosts, resolv.conf, passwd and so on, unless the box has
// them already.
void prepareFiles(const LaunchSpec& spec);

// The root at "m". `userNamespace` shifts the owners of host files in root mode; -1 in plain-user mode.
// Returns false when the host's folders could only be had read-only.
bool mountRoot(const LaunchSpec& spec, int userNamespace);

// Inside the new user and pid namespaces: /proc, /dev, /run, masks; then "m" becomes "/".
void enterRoot(const LaunchSpec& spec);

}  // namespace sandbridge::localcloud
