#pragma once
// How long terminal sessions are kept; as in TensorLake's daemon, unless a test cannot wait so long.

#include <kj/time.h>

namespace sandbridge::localcloud::daemon {

struct TerminalTimes {
  kj::Duration idle = 300 * kj::SECONDS;    // without a client: then it is killed
  kj::Duration dead = 60 * kj::SECONDS;     // an ended one can still be asked after
  kj::Duration hangUp = 5 * kj::SECONDS;    // from SIGHUP to SIGKILL
};

}  // namespace sandbridge::localcloud::daemon
