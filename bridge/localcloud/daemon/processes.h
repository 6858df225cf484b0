#pragma once
// The commands of the box and what became of them.

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/map.h>
#include <kj/refcount.h>

#include "memory-kills.h"
#include "output-log.h"
#include "process-log.h"
#include "spawn.h"
#include "units.h"

namespace sandbridge::localcloud::daemon {

int64_t nowMs();

class Process final : public kj::Refcounted {
 public:
  Process(kj::LowLevelAsyncIoProvider& io, uint64_t handle, kj::Maybe<kj::String> name,
          const Command& command, Spawned spawned, kj::Maybe<LogFiles&> logFiles);

  enum Status { RUNNING, EXITED, SIGNALED };

  const uint64_t handle;
  const pid_t pid;
  const kj::Maybe<kj::String> name;
  const kj::String program;
  const kj::Array<kj::String> arguments;
  const int64_t startedAt;

  Status status() const { return state; }
  int value() const { return exitValue; }  // exit code or signal number
  // SIGNALED, by the kernel, for lack of memory.
  bool oomKilled() const { return outOfMemory; }
  int64_t endedAt() const { return ended; }

  OutputLog& output() { return log; }

  // Resolves when the process has ended; its streams may be open still.
  kj::Promise<void> onExit() { return exited.addBranch(); }
  // Resolves when the process has ended and both its streams have.
  kj::Promise<void> onFinished() { return finished.addBranch(); }

  bool stdinWritable() const { return state == RUNNING && stdinStream.get() != nullptr; }
  // One writer at a time; false when standard input is not (or no longer) open.
  kj::Promise<bool> writeStdin(kj::Array<kj::byte> bytes);
  bool closeStdin();

  // To the process only. False when it has ended.
  bool signal(int number);
  // To the process and its group.
  bool killGroup();

  // Runs with the process and is dropped when it has ended.
  void setDeadline(kj::Promise<void> promise);

  // By the reaper, with the status of waitpid(). Whether the kernel has killed something for lack of memory: it was this, if
  // it was killed and not by us. Returns whether it was.
  bool reaped(int waitStatus, bool memoryKill);

 private:
  OutputLog log;
  kj::Maybe<ProcessLog> persisted;
  Status state = RUNNING;
  int exitValue = 0;
  bool killed = false;  // by us
  bool outOfMemory = false;
  int64_t ended = 0;
  uint openParts = 1;  // the process itself and its streams
  kj::PromiseFulfillerPair<void> exitedPair = kj::newPromiseAndFulfiller<void>();
  kj::ForkedPromise<void> exited = exitedPair.promise.fork();
  kj::PromiseFulfillerPair<void> finishedPair = kj::newPromiseAndFulfiller<void>();
  kj::ForkedPromise<void> finished = finishedPair.promise.fork();
  kj::Own<kj::AsyncOutputStream> stdinStream;
  bool stdinBusy = false, stdinClosing = false;
  kj::Promise<void> stdoutPump = nullptr, stderrPump = nullptr, deadline = nullptr;

  kj::Promise<void> pump(kj::Own<kj::AsyncInputStream> stream, bool isError);
  void partEnded();
};

class Processes {
 public:
  // `reapAll`: this process is the box's init, collects every orphan, and ends what ended commands have left behind. Otherwise
  // (tests) it collects only its own children.
  // `memoryKills` and `logFiles` must outlive the processes.
  Processes(kj::LowLevelAsyncIoProvider& io, kj::UnixEventPort& port, bool reapAll, MemoryKills& memoryKills,
            kj::Maybe<LogFiles&> logFiles = nullptr);

  // Throws FAILED when it cannot be started, INVALID_ARGUMENT when the name is taken or there are too many.
  kj::Own<Process> start(const Command& command, kj::Maybe<kj::String> name);

  // By pid (all digits) or name.
  kj::Maybe<kj::Own<Process>> find(kj::StringPtr reference);
  kj::Array<kj::Own<Process>> list();

  // The status of waitpid() of a child that somebody else in the daemon has just started.
  kj::Promise<int> onExit(pid_t pid);

  // Of an ended one nothing is known any more.
  void forget(uint64_t handle);
  bool knows(const Process& process) const;

  uint running() const;
  uint total() const { return processes.size(); }

 private:
  // Ended processes are remembered up to these bounds, the oldest forgotten first.
  static constexpr size_t MAX_REMEMBERED = 512;
  static constexpr size_t MAX_REMEMBERED_BYTES = 64u << 20;

  kj::LowLevelAsyncIoProvider& io;
  kj::UnixEventPort& port;
  bool reapAll;
  MemoryKills& memoryKills;
  kj::Maybe<LogFiles&> logFiles;
  Units units;
  uint64_t nextHandle = 1;  // also the number of the unit
  bool mayHaveLeft = false;  // a command has ended, and something of its unit may not have
  kj::Vector<kj::Own<Process>> processes;  // oldest first
  struct Other {
    pid_t pid;
    kj::Own<kj::PromiseFulfiller<int>> exited;
  };
  kj::Vector<Other> others;  // not ended
  kj::Promise<void> reaper;

  kj::Promise<void> reap();
  void reapOnce();
  void killRest();
  void tellOther(pid_t pid, int status);
  void forgetOldest();
};

}  // namespace sandbridge::localcloud::daemon
