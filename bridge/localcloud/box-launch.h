#pragma once
// Starting one box: runs the embedded launcher and waits for its verdict.

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/io.h>

#include "launch-spec.h"

namespace sandbridge::localcloud {

struct Launched {
  kj::AutoCloseFd launcher;  // pidfd; to be collected when it ends, which it is about to
  kj::AutoCloseFd pidfd;  // of the daemon
  uint64_t pidNamespace;
  bool systemWritable;    // /usr and the like can be changed inside
};

// Rejects with FAILED "<step>: <reason>" and leaves no process. So does dropping the promise.
kj::Promise<Launched> launchBox(kj::AsyncIoContext& io, int image, LaunchSpec spec);

// Waits for a child made by spawnBoxImage() and collects it. True when it ended with 0.
kj::Promise<bool> collectWhenEnded(kj::UnixEventPort& port, kj::AutoCloseFd pidfd);

}  // namespace sandbridge::localcloud
