#pragma once
// slirp4netns, the network of a box: connections leave as the host's own, made by this process. Runs in the launcher.

#include <kj/common.h>
#include <kj/string.h>

#include <sys/types.h>

namespace sandbridge::localcloud {

// Its interface in the box.
constexpr kj::StringPtr NETWORK_INTERFACE = "tap0"_kj;

struct Slirp {
  pid_t process = -1;
  int ready = -1;
};

// Starts it for the namespaces of process `box`; it ends when the other end of `exitFd` closes. It brings the box's network up
// while other things are done: see waitForSlirp(). Throws LaunchFailure.
Slirp startSlirp(pid_t box, int exitFd);

// Throws LaunchFailure, naming slirp4netns, when the network does not come up; then it is ended.
void waitForSlirp(const Slirp& slirp);

}  // namespace sandbridge::localcloud
