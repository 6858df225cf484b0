#pragma once
// One sandbox of this machine, a state machine:
//
//   pending -> running; running -> suspending -> suspended -> pending -> running (named ones only);
//   running -> snapshotting -> running; suspended -> snapshotting -> suspended; any -> terminated, for good.
//
// What a box says of itself beats what the record says: after a crash a frozen box is suspended, a live one running.
// A named sandbox whose processes are gone (reboot, death of its daemon) is shown as suspended and started again on its
// files on next use; an ephemeral one is terminated.

#include "localcloud/box.h"
#include "localcloud/http-reply.h"
#include "localcloud/sandbox-logs.h"
#include "localcloud/sandbox-record.h"

#include <kj/async-io.h>
#include <kj/refcount.h>
#include <kj/timer.h>

namespace sandbridge::localcloud {

class Registry;

class Sandbox final : public kj::Refcounted {
 public:
  Sandbox(Registry& registry, SandboxRecord record);
  KJ_DISALLOW_COPY(Sandbox);

  const SandboxRecord& record() const { return info; }
  Status status() const { return info.status; }

  // Resolves when no start, suspend, resume or snapshot is under way; never rejects.
  kj::Promise<void> settled();

  enum class Answer { STARTED, ALREADY, REFUSED };
  // Begins to suspend; ALREADY when suspended. REFUSED for ephemeral ones and in other states.
  Answer suspend();
  // Begins to resume; ALREADY when running. REFUSED while suspending and after the end.
  Answer resume();
  // Copies the files to a new snapshot of this id. A running sandbox goes on meanwhile, but for a moment. Rejects when that
  // could not be done, or could not be begun: see canBeCopied().
  kj::Promise<SnapshotFacts> snapshot(kj::String id);
  bool canBeCopied() const { return info.status == Status::RUNNING || info.status == Status::SUSPENDED; }
  // Ends every process and removes every file. Resolves when that is done, rejects when it could not be done. Idempotent.
  kj::Promise<void> terminate(kj::StringPtr reason);

  // Saved when it returns; throws when it cannot be saved, and then nothing has changed. What came in by ways that are closed
  // now is cut.
  void change(kj::Maybe<kj::String> name, const PublicAccessChange& access);
  // Enforced and saved when it resolves to none. Else nothing has changed, and it is told why.
  kj::Promise<kj::Maybe<Refusal>> setNetwork(NetworkPolicy policy);
  // Enforces once more what the record says, on the box that runs: a server that died while it changed the policy may have left
  // another one in force. Never rejects.
  kj::Promise<void> restoreNetwork();
  // Makes a warm container of a pool the sandbox of a client. As change(); power failure may take it back.
  void claim();

  // Waits until the sandbox can take a request, waking a suspended one if `wakes`. None: it can.
  kj::Promise<kj::Maybe<Refusal>> ready(bool wakes);
  // The box, while the sandbox is running. Use it inside `streams`.
  kj::Maybe<Box&> runningBox();
  // Traffic passed: the idle clock starts again.
  void touch();
  // What talks to the box. Cut when the sandbox is suspended, ends, or loses its processes.
  kj::Canceler streams;
  // The same for what comes in by exposed ports; cut when one of them is closed.
  kj::Canceler ingress;

 private:
  friend class Registry;

  Registry& registry;
  SandboxRecord info;
  kj::Maybe<kj::Own<Box>> box;
  kj::TimePoint lastTraffic;

  // Last, so that they are dropped before what they use.
  kj::Maybe<kj::ForkedPromise<void>> transition;
  kj::Maybe<kj::ForkedPromise<void>> termination;
  kj::Promise<void> watch = nullptr;
  kj::Promise<void> idle = nullptr;
  kj::ForkedPromise<void> networkChange;  // the latest

  kj::Promise<void> doStart(bool first);
  kj::Promise<void> doThaw();
  kj::Promise<void> doSuspend();
  kj::Promise<void> doSnapshot(kj::String id, kj::Own<kj::PromiseFulfiller<SnapshotFacts>> fulfiller);
  kj::Promise<void> doTerminate();
  kj::Promise<void> endAndRemove();
  kj::Promise<void> watchIdle();
  kj::Promise<kj::Maybe<Refusal>> enforce(NetworkPolicy policy);
  kj::Promise<void> enforceAgain();
  kj::Promise<void> handleLost(kj::Own<Sandbox> self);

  void begin(kj::Promise<void> promise);
  void hold(kj::Own<Box> box);
  void markTerminated(kj::StringPtr reason);
  // For the log that clients can read.
  void note(LogLevel level, kj::StringPtr text);
  void saveOrWarn(Sync sync = Sync::NOW);
  kj::Duration timeout() const;
  void cutTraffic(kj::StringPtr why);
  // Also while it is copied.
  bool isRunning() const {
    return info.status == Status::RUNNING || (info.status == Status::SNAPSHOTTING && copiedRunning);
  }
  bool copiedRunning = false;  // what a sandbox that is being copied was before
  bool isCleanedUp() const { return cleanedUp; }
  bool cleanedUp = false;
};

}  // namespace sandbridge::localcloud
