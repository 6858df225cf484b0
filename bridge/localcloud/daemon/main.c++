// The executable that is embedded in the bridge: the launcher of boxes, the helpers that copy their files and change their
// network, and the daemon inside each.

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kj/debug.h>

#include "localcloud/launch-spec.h"
#include "localcloud/snapshot-spec.h"
#include "server.h"

using namespace sandbridge::localcloud;

int main(int argc, char** argv) {
  kj::StringPtr mode = argc > 1 ? argv[1] : "";
  try {
    if (mode == "serve" && argc == 3) {
      for (int fd : {FD_HTTP, FD_CONTROL, FD_LOCK, FD_STATUS, FD_LOG, FD_LOG_2, FD_MEMORY,
                     FD_NETWORK}) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
      }
      daemon::DaemonOptions options{FD_HTTP, FD_CONTROL, FD_STATUS, kj::str(argv[2]), FD_LOCK};
      options.logFd = FD_LOG;
      options.log2Fd = FD_LOG_2;
      options.memoryFd = FD_MEMORY;
      return daemon::daemonMain(kj::mv(options));
    }
    if (mode == "launch" && argc > 3) {
      return launchMain(atoi(argv[2]), LaunchSpec::fromArguments(kj::arrayPtr(argv + 3, argc - 3)));
    }
    if (mode == "network" && argc > 4) {
      auto spec = NetworkSpec::fromArguments(kj::arrayPtr(argv + 4, argc - 4));
      return networkMain(atoi(argv[2]), atoi(argv[3]), kj::mv(spec));
    }
    if (mode == "sweep" && argc == 3) return sweepMain(argv[2]);
    if (mode == "snapshot" && argc > 3) {
      auto spec = SnapshotSpec::fromArguments(kj::arrayPtr(argv + 3, argc - 3));
      return snapshotMain(atoi(argv[2]), kj::mv(spec));
    }
    if (mode == "sync" && argc == 3) return syncMain(argv[2]);
  } catch (kj::Exception& e) {
    KJ_LOG(ERROR, e);
    return 1;
  }
  return 2;
}
