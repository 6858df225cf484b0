#include "server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kj/async-unix.h>
#include <kj/debug.h>

#include "api.h"
#include "base/coroutine.h"
#include "control.h"
#include "process-log.h"
#include "net/http-server.h"

namespace sandbridge::localcloud::daemon {

namespace {

// How soon a box ends whose folder somebody deleted under it.
constexpr kj::Duration LOOK_FOR_LOCK = 3 * kj::SECONDS;

kj::Promise<void> whenDeleted(int lockFd, kj::Timer& timer) {
  struct stat st;
  while (fstat(lockFd, &st) < 0 || st.st_nlink > 0) co_await timer.afterDelay(LOOK_FOR_LOCK);
}

}  // namespace

int daemonMain(DaemonOptions options) {
  if (options.isInit) {
    // Commands of the box can neither read nor trace us.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "sandbridge-init", 0, 0, 0);
  }
  signal(SIGPIPE, SIG_IGN);
  // Three pipes a command and a descriptor a connection; commands get the usual limit again (spawn.c++).
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  kj::UnixEventPort::captureSignal(SIGCHLD);
  auto io = kj::setupAsyncIo();
  auto& low = *io.lowLevelProvider;
  auto& timer = low.getTimer();

  // Here and not where the sockets were made: now the peer's credentials are ours, and nobody connects too early.
  KJ_SYSCALL(listen(options.httpFd, 256));
  KJ_SYSCALL(listen(options.controlFd, 256));
  auto http = low.wrapListenSocketFd(kj::AutoCloseFd(options.httpFd));
  auto control = low.wrapListenSocketFd(kj::AutoCloseFd(options.controlFd));

  kj::Maybe<LogFiles> logFiles;
  if (options.logFd >= 0) {
    logFiles.emplace(kj::AutoCloseFd(options.logFd), kj::AutoCloseFd(options.log2Fd), options.instance);
  }
  MemoryKills memoryKills((kj::AutoCloseFd(options.memoryFd)));
  Processes processes(low, io.unixEventPort, options.isInit, memoryKills, logFiles);
  kj::HttpHeaderTable::Builder builder;
  ActiveTime time(timer);
  Terminals terminals(low, time, processes, options.terminalTimes);
  TerminalApi terminalApi(builder, terminals, timer, options.defaultFolder);
  auto table = builder.build();
  Supervisor supervisor(low, time, processes);
  ProcessApi processApi(*table, processes, supervisor, time, options.defaultFolder);
  auto api = newApi(*table, processes, processApi, terminalApi, timer);
  auto controlPromise =
      serveControl(kj::mv(control), low, io.unixEventPort, time, kj::str(options.instance));
  auto serving = serveHttp(*http, timer, *table, *api);

  kj::FdOutputStream(kj::AutoCloseFd(options.statusFd)).write("ready", 5);

  if (options.lockFd >= 0) {
    serving = serving.exclusiveJoin(whenDeleted(options.lockFd, timer));
  }
  serving.exclusiveJoin(kj::mv(controlPromise)).wait(io.waitScope);
  return 1;
}

}  // namespace sandbridge::localcloud::daemon
