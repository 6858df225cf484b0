#pragma once
// Starting one box: runs the embedded launcher and waits for its verdict.

#include <kj/async-io.h>
#include <kj/io.h>

#include "launch-spec.h"

namespace sandbridge::localcloud {

struct Launched {
  kj::AutoCloseFd pidfd;  // of the daemon
  uint64_t pidNamespace;
  bool systemWritable;    // /usr and the like can be changed inside
};

// Rejects with FAILED "<step>: <reason>" and leaves no process. So does dropping the promise.
kj::Promise<Launched> launchBox(kj::AsyncIoContext& io, int image, LaunchSpec spec);

}  // namespace sandbridge::localcloud
