#pragma once
// The daemon: pid 1 of a box. It is the box's init, and serves TensorLake's in-sandbox API on a socket that came from outside.

#include <kj/string.h>

#include "terminal-times.h"

namespace sandbridge::localcloud::daemon {

struct DaemonOptions {
  int httpFd;     // bound, not yet listening
  int controlFd;  // bound, not yet listening
  int statusFd;   // gets "ready" once both listen; then closed
  kj::String instance;
  int lockFd = -1;  // the box's lock file: when it has been deleted, so has the box, and the daemon ends
  bool isInit = true;  // pid 1: hide from the commands, reap every orphan
  kj::String defaultFolder = kj::str("/workspace");
  int logFd = -1, log2Fd = -1;  // see process-log.h; none: no log
  int memoryFd = -1;            // see memory-kills.h
  TerminalTimes terminalTimes;
};

// Never returns while all is well.
int daemonMain(DaemonOptions options);

}  // namespace sandbridge::localcloud::daemon
