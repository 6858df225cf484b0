#pragma once
// Managed processes: started again when they end or are not well, as their policy has it.

#include <kj/refcount.h>

#include "active-time.h"
#include "health-check.h"
#include "processes.h"

namespace sandbridge::localcloud::daemon {

struct RestartPolicy {
  enum When { NEVER, ON_FAILURE, ALWAYS };

  When when = ON_FAILURE;  // a failure: an exit code other than 0, a signal, or failed health checks
  kj::Maybe<uint> maxRestarts;
  // Doubled at each restart in a row, up to the maximum.
  uint64_t initialBackoffMs = 500;
  uint64_t maxBackoffMs = 30000;
};

struct ManagedRequest {
  RestartPolicy restart;
  kj::Maybe<HealthCheck> check;
};

class Managed final : public kj::Refcounted {
 public:
  Managed(kj::LowLevelAsyncIoProvider& io, ActiveTime& time, Processes& processes, Command command,
          kj::Maybe<kj::String> name, ManagedRequest request);

  enum Status { RUNNING, BACKING_OFF, STOPPED };
  enum Health { DISABLED, STARTING, HEALTHY, UNHEALTHY };
  struct Exit {
    Process::Status status;
    int value;
    int64_t endedAt;
    bool oomKilled;

    explicit Exit(const Process& process)
        : status(process.status()),
          value(process.value()),
          endedAt(process.endedAt()),
          oomKilled(process.oomKilled()) {}
  };

  const kj::String id;
  const kj::Maybe<kj::String> name;
  const RestartPolicy policy;
  const kj::Maybe<HealthCheck> check;

  // The newest, which may have ended.
  Process& process() { return *current; }
  Status status() const { return state; }
  Health health() const { return healthState; }
  uint restartCount() const { return restarts; }
  uint failuresInARow() const { return failures; }
  const kj::Maybe<Exit>& lastExit() const { return exit; }
  const kj::Maybe<kj::String>& lastError() const { return error; }
  kj::Maybe<int64_t> nextRestartAt() const { return due; }

  // Ends it for good.
  void stop();
  // Ends the process, first with SIGTERM and after five seconds with SIGKILL, and starts it again, also a stopped one.
  // Resolves when it runs; rejects when it cannot be started.
  kj::Promise<void> restart();

 private:
  kj::LowLevelAsyncIoProvider& io;
  ActiveTime& time;
  Processes& processes;
  Command command;
  kj::Own<Process> current;
  kj::Maybe<uint64_t> previous;  // its handle

  Status state = RUNNING;
  Health healthState = DISABLED;
  uint restarts = 0;
  uint inARow = 0;  // without a time of good running between them
  uint failures = 0;
  kj::Maybe<Exit> exit;
  kj::Maybe<kj::String> error;
  kj::Maybe<int64_t> due;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> restarted;  // while a restart is under way
  kj::Promise<void> life = nullptr;

  void start();
  void live(kj::Promise<void> promise);
  kj::Promise<void> supervise();
  kj::Promise<void> endAndStart();
  // Resolves when the checks have failed too often.
  kj::Promise<void> watchHealth();
};

class Supervisor {
 public:
  Supervisor(kj::LowLevelAsyncIoProvider& io, ActiveTime& time, Processes& processes)
      : io(io), time(time), processes(processes) {}
  KJ_DISALLOW_COPY(Supervisor);

  // Throws FAILED when it cannot be started, INVALID_ARGUMENT when the name is taken or there are too many.
  kj::Own<Managed> start(Command command, kj::Maybe<kj::String> name, ManagedRequest request);
  // The managed one whose newest process this is.
  kj::Maybe<kj::Own<Managed>> find(const Process& process);

 private:
  static constexpr size_t MAX_MANAGED = 256;

  kj::LowLevelAsyncIoProvider& io;
  ActiveTime& time;
  Processes& processes;
  kj::Vector<kj::Own<Managed>> all;
};

}  // namespace sandbridge::localcloud::daemon
