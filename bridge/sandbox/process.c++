#include "sandbox/process.h"

#include "base/error.h"
#include "base/log.h"
#include "sandbox/command-arguments.h"
#include "sandbox/command-script.h"

namespace sandbridge {

namespace {

using tensorlake::Log;
using tensorlake::ProcessEvent;
using tensorlake::ProcessEvents;

constexpr kj::Duration LAUNCH_TIMEOUT = 180 * kj::SECONDS;
constexpr kj::Duration QUIET_TIMEOUT = 30 * kj::SECONDS;
// After SIGKILL to the group: a process that has left it may still hold the output.
constexpr kj::Duration LEFTOVER_TIMEOUT = 5 * kj::SECONDS;
// TensorLake suspends what looks idle; a long quiet command must not.
constexpr kj::Duration KEEP_AWAKE = 100 * kj::SECONDS;
// How often, and after which pauses, a command is ordered to end while the orders get lost.
constexpr unsigned END_ATTEMPTS = 6;
constexpr kj::Duration END_PAUSE = 200 * kj::MILLISECONDS;
// How often the rest of an output, or a lost answer, is asked for, with growing pauses, some 15 s
// together.
constexpr unsigned JOIN_ATTEMPTS = 9;
constexpr kj::Duration MAX_JOIN_PAUSE = 3 * kj::SECONDS;
// A keeper that does not know a command may still be about to hear of it.
constexpr unsigned UNKNOWN_ATTEMPTS = 4;
// Once it is missing, once its keeper.
constexpr unsigned HELPER_ATTEMPTS = 3;
// A finished stream is read to its end, so that its connection can be used again.
constexpr kj::Duration DRAIN_TIMEOUT = 2 * kj::SECONDS;

kj::Duration joinPause(unsigned attempt) {
  return kj::min((1 << attempt) * 100 * kj::MILLISECONDS, MAX_JOIN_PAUSE);
}

kj::Promise<void> drain(kj::Own<ProcessEvents> events, kj::Timer& timer) {
  auto deadline = timer.now() + DRAIN_TIMEOUT;
  try {
    for (;;) {
      auto event = co_await timer.timeoutAt(deadline, events->next());
      if (event == nullptr) co_return;
    }
  } catch (kj::Exception&) {
    // Only the connection is lost: everything worth knowing came before.
  }
}

// By the helper, or by the shell if the helper is not there. `byHelper` and `byShell` do the same
// however often they come.
kj::Promise<void> runEither(kj::Own<SandboxUse> use, kj::Timer& timer, bool helped,
                            tensorlake::ProcessRequest byHelper,
                            tensorlake::ProcessRequest byShell) {
  if (helped) {
    try {
      co_await runQuietly(use->addRef(), timer, kj::mv(byHelper));
      co_return;
    } catch (kj::Exception& e) {
      if (!meansNoHelper(e)) throw;
    }
  }
  co_await runQuietly(kj::mv(use), timer, kj::mv(byShell));
}

// Unlike other commands, this one can be sent twice.
kj::Promise<void> endGroup(kj::Own<SandboxUse> use, kj::Timer& timer, bool helped, uint32_t group) {
  for (unsigned attempt = 1;; ++attempt) {
    try {
      co_await runEither(use->addRef(), timer, helped, helperEndRequest(group), endRequest(group));
      co_return;
    } catch (kj::Exception& e) {
      auto kind = kindOf(e);
      bool again = kind == ErrorKind::INTERRUPTED || kind == ErrorKind::UNAVAILABLE;
      if (!again || attempt == END_ATTEMPTS) {
        logWarning("a command that nobody waits for could not be ended: ", textOf(e));
        co_return;
      }
    }
    co_await timer.afterDelay(attempt * END_PAUSE);
  }
}

kj::Exception noWorkdir(kj::StringPtr workdir, kj::StringPtr word) {
  if (word == "file") {
    return makeError(ErrorKind::INVALID_ARGUMENT,
                     kj::str("the working directory ", workdir, " is not a directory."));
  }
  if (word == "denied") {
    return makeError(ErrorKind::DENIED,
                     kj::str("the working directory ", workdir, " cannot be entered."));
  }
  return makeError(ErrorKind::NOT_FOUND,
                   kj::str("the working directory ", workdir, " does not exist."));
}

// An output that cannot be asked for.
class BrokenEvents final : public ProcessEvents {
 public:
  explicit BrokenEvents(kj::Exception reason) : reason(kj::mv(reason)) {}
  kj::Promise<kj::Maybe<ProcessEvent>> next() override { return kj::cp(reason); }

 private:
  kj::Exception reason;
};

// A command as the sandbox runs it.
struct Running {
  kj::Own<ProcessEvents> events;
  CommandOutput decoder;
  kj::Array<CommandOutput::Step> early;  // came before the start was told
  uint32_t daemonPid = 0;                // of a command with standard input
  kj::String operation;                  // empty: by the shell
};

class SandboxProcess final : public WorkspaceProcess {
 public:
  SandboxProcess(SandboxAccess& access, kj::Own<SandboxUse> use, Running running, bool hasStdin,
                 kj::Maybe<kj::Duration> timeout, bool leave, OutputReceiver& output)
      : access(access),
        timer(access.timer()),
        use(kj::mv(use)),
        run(kj::mv(running)),
        hasStdin(hasStdin),
        leave(leave),
        timeout(timeout),
        started(timer.now()),
        output(output) {}

  ~SandboxProcess() noexcept(false) {
    if (!ended && !leave) access.background(end());
  }

  kj::Promise<ExitStatus> wait() override { return access.cuts().wrap(waitToEnd()); }

  kj::Promise<void> signal(int number) override {
    if (ended) return kj::READY_NOW;
    auto group = run.decoder.group();
    return access.cuts().wrap(runEither(use->addRef(), timer, isHelped(),
                                        helperSignalRequest(group, number),
                                        signalRequest(group, number)));
  }

  kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) override {
    requireStdin();
    if (ended)
      throwError(ErrorKind::INVALID_ARGUMENT, "the command has ended; nothing reads its input.");
    if (bytes.size() == 0) return kj::READY_NOW;
    return access.cuts().wrap(
        use->plane().writeStdin(run.daemonPid, kj::heapArray<kj::byte>(bytes)));
  }

  kj::Promise<void> closeStdin() override {
    requireStdin();
    if (ended) return kj::READY_NOW;
    return access.cuts().wrap(use->plane().closeStdin(run.daemonPid));
  }

 private:
  SandboxAccess& access;
  kj::Timer& timer;
  kj::Own<SandboxUse> use;  // until the command has ended; then `access` is not touched any more
  Running run;
  bool hasStdin;
  bool leave;
  kj::Maybe<kj::Duration> timeout;
  kj::TimePoint started;
  OutputReceiver& output;
  bool ended = false;
  bool timedOut = false;

  bool isHelped() const { return run.operation.size() > 0; }
  kj::Promise<void> end() {
    return endGroup(use->addRef(), timer, isHelped(), run.decoder.group());
  }

  void requireStdin() {
    if (!hasStdin)
      throwError(ErrorKind::INVALID_ARGUMENT, "the command was started without standard input.");
  }

  kj::Promise<ExitStatus> waitToEnd() {
    kj::Maybe<kj::Exception> failure;
    try {
      kj::Maybe<ExitStatus> status =
          co_await pump()
              .then([](ExitStatus&& s) { return kj::Maybe<ExitStatus>(s); })
              .exclusiveJoin(watch().then([]() { return kj::Maybe<ExitStatus>(nullptr); }));
      // Else it was killed, and something outside of its group still holds the output.
      if (status != nullptr) {
        access.background(drain(kj::mv(run.events), timer).attach(use->addRef()));
      }
      ended = true;
      run.events = nullptr;
      use = nullptr;
      if (timedOut || status == nullptr) co_return ExitStatus{ExitStatus::TIMED_OUT, 0};
      co_return KJ_ASSERT_NONNULL(status);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    auto& e = KJ_ASSERT_NONNULL(failure);
    co_await access.recover(use->addRef(), kj::cp(e));
    kj::throwFatalException(kj::mv(e));
  }

  kj::Promise<void> deliver(CommandOutput::Step& step) {
    if (step.kind == CommandOutput::STDOUT) return output.stdoutChunk(step.bytes);
    if (step.kind == CommandOutput::STDERR) return output.stderrChunk(step.bytes);
    return kj::READY_NOW;
  }

  kj::Promise<ExitStatus> pump() {
    for (auto& step : run.early) co_await deliver(step);
    run.early = nullptr;
    // How often the output has broken off since something new came.
    for (unsigned breaks = 0; !run.decoder.complete();) {
      CommandOutput::Step step;
      kj::Maybe<kj::Exception> broken;
      kj::Maybe<ExitStatus> fate;
      try {
        auto next = co_await run.events->next();
        KJ_IF_MAYBE (event, next) {
          if (event->kind == ProcessEvent::EXITED || event->kind == ProcessEvent::SIGNALED) {
            fate = this->fate(event->kind == ProcessEvent::SIGNALED, event->value);
          } else if (event->kind == ProcessEvent::END_OF_LOG) {
            auto info = co_await use->plane().process(run.daemonPid);
            KJ_IF_MAYBE (number, info.signal) {
              fate = this->fate(true, *number);
            } else {
              fate = this->fate(false, info.exitCode.orDefault(-1));
            }
          } else {
            step = run.decoder.take(*event);
          }
        } else {
          throwError(ErrorKind::INTERRUPTED,
                     "the command's output ended without telling how the command ended.");
        }
      } catch (kj::Exception& e) {
        broken = kj::mv(e);
      }
      KJ_IF_MAYBE (f, fate) {
        if (!isHelped() || hasStdin) co_return *f;
        // Only what was to tell of the command has ended.
        broken = makeError(ErrorKind::INTERRUPTED,
                           "what passed the command's output on has ended before the command.");
      }
      KJ_IF_MAYBE (e, broken) {
        auto kind = kindOf(*e);
        bool again = isHelped() && !hasStdin && breaks < JOIN_ATTEMPTS &&
                     (kind == ErrorKind::INTERRUPTED || kind == ErrorKind::UNAVAILABLE);
        if (!again) kj::throwFatalException(kj::mv(*e));
        co_await join(kj::mv(*e), breaks);
        ++breaks;
        continue;
      }
      switch (step.kind) {
        case CommandOutput::STDOUT:
        case CommandOutput::STDERR:
          breaks = 0;
          co_await deliver(step);
          break;
        case CommandOutput::NO_KEEPER:
        case CommandOutput::KEEPER_DIED:
          throwError(ErrorKind::INTERRUPTED,
                     "the sandbox's keeper of commands was killed while the command ran, by the "
                     "command itself or for lack of memory. Whether the command ended is not known.");
        case CommandOutput::NOT_KEPT:
          throwError(ErrorKind::INTERRUPTED,
                     "part of the command's output was lost on its way; the command may have ended.");
        default:
          break;
      }
    }
    co_return KJ_ASSERT_NONNULL(run.decoder.status());
  }

  // Asks for the rest of the output, which broke off.
  kj::Promise<void> join(kj::Exception why, unsigned attempt) {
    run.events = nullptr;
    co_await timer.afterDelay(joinPause(attempt));
    // A sandbox that was suspended under the command goes on.
    co_await access.recover(use->addRef(), kj::mv(why));
    use = co_await access.acquire();
    kj::Maybe<kj::Exception> failure;
    try {
      run.events = co_await use->plane().run(helperJoinRequest(
          run.operation, run.decoder.outPosition(), run.decoder.errPosition()));
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) run.events = kj::heap<BrokenEvents>(kj::mv(*e));
  }

  // Of a command whose script, or `run`, ended before it could tell.
  ExitStatus fate(bool signaled, int value) {
    KJ_IF_MAYBE (status, run.decoder.status()) return *status;
    if (signaled) return {ExitStatus::SIGNALED, static_cast<unsigned>(value)};
    if (value > 128 && value <= 128 + 64)
      return {ExitStatus::SIGNALED, static_cast<unsigned>(value - 128)};
    throwError(isHelped() ? ErrorKind::INTERRUPTED : ErrorKind::FAILED,
               kj::str("the sandbox could not run the command to its end",
                       run.decoder.complaint().size() > 0 ? ": " : "", run.decoder.complaint(), "."));
  }

  // Resolves when the command's time is over and waiting for its output makes no sense any more.
  kj::Promise<void> watch() {
    auto nextPing = timer.now() + KEEP_AWAKE;
    for (;;) {
      auto until = nextPing;
      bool last = false;
      KJ_IF_MAYBE (limit, timeout) {
        last = started + *limit <= nextPing;
        if (last) until = started + *limit;
      }
      co_await timer.atTime(until);
      if (last) break;
      nextPing = timer.now() + KEEP_AWAKE;
      try {
        co_await use->plane().health();
      } catch (kj::Exception&) {
        // The command's own stream tells when something is wrong.
      }
    }
    timedOut = true;
    co_await end();
    co_await timer.afterDelay(LEFTOVER_TIMEOUT);
  }
};

class Launch {
 public:
  Launch(SandboxAccess& access, WorkspaceCommand command, kj::String workdir, kj::StringPtr root,
         Engine engine, bool leave, OutputReceiver& output)
      : access(access),
        command(kj::mv(command)),
        workdir(kj::mv(workdir)),
        root(root),
        engine(engine),
        leave(leave),
        output(output) {}

  kj::Promise<kj::Maybe<kj::Own<WorkspaceProcess>>> start(SandboxUse& use) {
    auto outcome = co_await tryStart(use);
    if (outcome == Outcome::NO_ROOT) {
      // The workspace itself is missing and cannot be made by the image's user.
      tensorlake::ProcessRequest request;
      request.command = kj::str("sh");
      request.args = kj::arr(kj::str("-c"), kj::str("mkdir -p \"$1\" && chmod 777 \"$1\""),
                             kj::str("sh"), kj::heapString(root));
      request.workingDir = kj::str("/");
      request.user = kj::str("root");
      co_await runQuietly(use.addRef(), access.timer(), kj::mv(request));
      outcome = co_await tryStart(use);
      if (outcome == Outcome::NO_ROOT) kj::throwFatalException(noWorkdir(workdir, "missing"));
    }
    if (outcome != Outcome::STARTED) {
      co_return kj::Maybe<kj::Own<WorkspaceProcess>>(nullptr);
    }
    if (running.operation.size() > 0) {
      KJ_IF_MAYBE (number, running.decoder.keeper()) use.helper().met(*number);
    }
    kj::Own<WorkspaceProcess> process =
        kj::heap<SandboxProcess>(access, use.addRef(), kj::mv(running), command.keepStdin,
                                 command.timeout, leave, output);
    co_return kj::Maybe<kj::Own<WorkspaceProcess>>(kj::mv(process));
  }

 private:
  enum class Outcome { STARTED, NO_ROOT, NO_HELPER, NO_KEEPER, LOST };

  SandboxAccess& access;
  WorkspaceCommand command;
  kj::String workdir;
  kj::StringPtr root;
  Engine engine;
  bool leave;
  OutputReceiver& output;
  kj::String operation = newOperationId();
  Running running{{}, CommandOutput(false), nullptr, 0, nullptr};
  // The answer to an earlier request was lost: the command may have been started.
  kj::Maybe<kj::Exception> lost;
  unsigned losses = 0;

  kj::Promise<Outcome> tryStart(SandboxUse& use) {
    auto& helper = use.helper();
    bool awaitKeeper = false;
    unsigned unknown = 0;
    for (unsigned attempt = 0; attempt < HELPER_ATTEMPTS && engine != Engine::SHELL_ONLY;) {
      if (!co_await helper.ready(use, access.timer())) break;
      HelperCall call{operation, awaitKeeper, lost != nullptr, helper.keeper()};
      kj::Maybe<kj::Exception> failure;
      Outcome outcome = Outcome::LOST;
      try {
        outcome = co_await send(use, helperRequest(command, workdir, root, call), operation);
      } catch (kj::Exception& e) {
        failure = kj::mv(e);
      }
      KJ_IF_MAYBE (e, failure) {
        bool again = kindOf(*e) == ErrorKind::INTERRUPTED && !command.keepStdin &&
                     losses < JOIN_ATTEMPTS;
        if (!again) kj::throwFatalException(kj::mv(*e));
        lost = kj::cp(*e);
        co_await access.recover(use.addRef(), kj::mv(*e));
        co_await access.timer().afterDelay(joinPause(losses));
        ++losses;
        continue;
      }
      switch (outcome) {
        case Outcome::STARTED:
        case Outcome::NO_ROOT:
          co_return outcome;
        case Outcome::LOST:
          throwError(ErrorKind::INTERRUPTED,
                     "the sandbox's keeper of commands has lost the command; whether it ended is "
                     "not known.");
        case Outcome::NO_HELPER:
        case Outcome::NO_KEEPER:
          break;
      }
      KJ_IF_MAYBE (e, lost) {
        bool mayCome = outcome == Outcome::NO_KEEPER && call.keeper == nullptr;
        if (!mayCome || ++unknown == UNKNOWN_ATTEMPTS) kj::throwFatalException(kj::cp(*e));
        co_await access.timer().afterDelay(joinPause(unknown));
        continue;
      }
      ++attempt;
      awaitKeeper = true;
      if (outcome == Outcome::NO_HELPER) {
        helper.missing();
      } else {
        co_await helper.startKeeper(use);
      }
    }
    KJ_IF_MAYBE (e, lost) kj::throwFatalException(kj::cp(*e));
    if (engine == Engine::HELPER_ONLY) co_return Outcome::NO_HELPER;
    co_return co_await send(use, commandRequest(command, workdir, root), kj::String());
  }

  // The daemon's side of a command: its events, and its pid when it has standard input.
  kj::Promise<void> open(SandboxUse& use, tensorlake::ProcessRequest request) {
    auto& plane = use.plane();
    if (!command.keepStdin) {
      running.events = co_await plane.run(kj::mv(request));
      co_return;
    }
    auto info = co_await plane.start(kj::mv(request));
    running.daemonPid = info.pid;
    kj::Maybe<kj::Exception> failure;
    try {
      running.events = co_await plane.follow(info.pid, Log::OUTPUT);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      co_await plane.kill(info.pid);
      kj::throwFatalException(makeError(ErrorKind::INTERRUPTED, textOf(*e)));
    }
  }

  kj::Promise<Outcome> send(SandboxUse& use, tensorlake::ProcessRequest request, kj::StringPtr id) {
    running = Running{{}, CommandOutput(command.mergeStderr), nullptr, 0, kj::heapString(id)};
    try {
      co_await open(use, kj::mv(request));
    } catch (kj::Exception& e) {
      if (id.size() == 0 || !meansNoHelper(e)) throw;
      co_return Outcome::NO_HELPER;
    }
    kj::Vector<CommandOutput::Step> early;
    for (;;) {
      auto next = co_await running.events->next();
      KJ_IF_MAYBE (event, next) {
        auto step = running.decoder.take(*event);
        switch (step.kind) {
          case CommandOutput::STARTED:
            running.early = early.releaseAsArray();
            co_return Outcome::STARTED;
          case CommandOutput::NO_WORKDIR:
            rest(use);
            if (step.word == "missing" && workdir == root) co_return Outcome::NO_ROOT;
            kj::throwFatalException(noWorkdir(workdir, step.word));
          case CommandOutput::NO_KEEPER:
            rest(use);
            co_return Outcome::NO_KEEPER;
          case CommandOutput::NOT_KEPT:
          case CommandOutput::KEEPER_DIED:
            rest(use);
            co_return Outcome::LOST;
          case CommandOutput::NOTHING:
          case CommandOutput::NOT_STARTED:
            break;
          default:
            early.add(kj::mv(step));
        }
        bool over = event->kind == ProcessEvent::EXITED || event->kind == ProcessEvent::SIGNALED ||
                    event->kind == ProcessEvent::END_OF_LOG;
        if (!over) continue;
      }
      throwError(ErrorKind::FAILED,
                 kj::str("the sandbox could not start the command",
                         running.decoder.complaint().size() > 0 ? ": " : "",
                         running.decoder.complaint(), "."));
    }
  }

  // Reads what is left of the stream, so that its connection can be used again.
  void rest(SandboxUse& use) {
    access.background(drain(kj::mv(running.events), access.timer()).attach(use.addRef()));
  }
};

using MaybeProcess = kj::Maybe<kj::Own<WorkspaceProcess>>;

kj::Promise<void> launch(SandboxAccess& access, kj::Own<Launch> launch,
                         kj::Own<kj::PromiseFulfiller<MaybeProcess>> fulfiller) {
  try {
    auto late = access.timer().afterDelay(LAUNCH_TIMEOUT).then([]() -> kj::Promise<MaybeProcess> {
      return makeError(ErrorKind::INTERRUPTED,
                       kj::str("the command did not start within ", LAUNCH_TIMEOUT / kj::SECONDS,
                               " s. Whether it still starts is not known."));
    });
    auto process =
        co_await withSandbox(access, [&launch = *launch](SandboxUse& use) { return launch.start(use); })
            .exclusiveJoin(kj::mv(late));
    // Else nobody waits any more: its destructor kills it.
    if (fulfiller->isWaiting()) fulfiller->fulfill(kj::mv(process));
  } catch (kj::Exception& e) {
    fulfiller->reject(kj::mv(e));
  }
}

}  // namespace

kj::Promise<MaybeProcess> startProcess(SandboxAccess& access, WorkspaceCommand command,
                                       kj::String workdir, kj::StringPtr root, Engine engine,
                                       bool leave, OutputReceiver& output) {
  // What is wrong with the command itself is told before anything is asked of the sandbox.
  checkCommand(command, workdir);
  auto paf = kj::newPromiseAndFulfiller<MaybeProcess>();
  access.background(launch(access,
                           kj::heap<Launch>(access, kj::mv(command), kj::mv(workdir), root, engine,
                                            leave, output),
                           kj::mv(paf.fulfiller)));
  return access.cuts().wrap(kj::mv(paf.promise));
}

kj::Promise<void> runQuietly(kj::Own<SandboxUse> use, kj::Timer& timer,
                             tensorlake::ProcessRequest request) {
  auto deadline = timer.now() + QUIET_TIMEOUT;
  request.brief = true;
  auto events = co_await timer.timeoutAt(deadline, use->plane().run(kj::mv(request)));
  for (;;) {
    auto event = co_await timer.timeoutAt(deadline, events->next());
    if (event == nullptr) co_return;
  }
}

}  // namespace sandbridge
