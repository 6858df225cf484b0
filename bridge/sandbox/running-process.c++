#include "sandbox/running-process.h"

#include "base/error.h"
#include "sandbox/helper/request.h"
#include "sandbox/process-end.h"

namespace sandbridge {

namespace {

using tensorlake::ProcessEvent;
using tensorlake::ProcessEvents;

// After SIGKILL to the group: a process that has left it may still hold the output.
constexpr kj::Duration LEFTOVER_TIMEOUT = 5 * kj::SECONDS;
// TensorLake suspends what looks idle; a long quiet command must not.
constexpr kj::Duration KEEP_AWAKE = 100 * kj::SECONDS;
constexpr kj::Duration MAX_JOIN_PAUSE = 3 * kj::SECONDS;

// Standard input in one request: half the window, so that the next part can go when one has arrived.
constexpr size_t INPUT_PART = helper::INPUT_WINDOW / 2;
// The same where nothing is told of what was taken: as much as a pipe holds.
constexpr size_t UNTOLD_INPUT_PART = 64u << 10;

// An output that cannot be asked for.
class BrokenEvents final : public ProcessEvents {
 public:
  explicit BrokenEvents(kj::Exception reason) : reason(kj::mv(reason)) {}
  kj::Promise<kj::Maybe<ProcessEvent>> next() override { return kj::cp(reason); }

 private:
  kj::Exception reason;
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
        output(output),
        running(access.ports().commandRuns()) {}

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

  kj::Promise<void> terminate() override {
    if (ended) return kj::READY_NOW;
    return access.cuts().wrap(end());
  }

  kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) override {
    requireStdin();
    if (ended)
      kj::throwFatalException(hasEnded());
    return access.cuts().wrap(feed(kj::heapArray<kj::byte>(bytes)));
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
  kj::Maybe<PortWatch::Command> running;  // until the command has ended
  uint64_t fed = 0;                       // bytes of standard input
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> taking;  // somebody waits until the command has taken some

  // A request that waits for the command is given up after a minute, so none is made before there is room for its bytes.
  kj::Promise<void> feed(kj::Array<const kj::byte> bytes) {
    auto held = use->addRef();
    auto most = isHelped() ? INPUT_PART : UNTOLD_INPUT_PART;
    for (size_t done = 0; done < bytes.size();) {
      if (ended) kj::throwFatalException(hasEnded());
      auto part = bytes.slice(done, kj::min(done + most, bytes.size()));
      while (isHelped() && fed + part.size() > run.decoder.inputTaken() + helper::INPUT_WINDOW) {
        auto waiting = kj::newPromiseAndFulfiller<void>();
        taking = kj::mv(waiting.fulfiller);
        co_await waiting.promise;
      }
      fed += part.size();
      done += part.size();
      co_await held->plane().writeStdin(run.daemonPid, kj::heapArray<kj::byte>(part));
    }
  }

  void inputWasTaken() {
    KJ_IF_MAYBE (waiting, taking) (*waiting)->fulfill();
    taking = nullptr;
  }

  bool isHelped() const { return run.operation.size() > 0; }
  kj::Promise<void> end() {
    return endGroup(use->addRef(), timer, isHelped(), run.decoder.group());
  }

  static kj::Exception hasEnded() {
    return makeError(ErrorKind::INVALID_ARGUMENT, "the command has ended; nothing reads its input.");
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
      running = nullptr;
      KJ_IF_MAYBE (waiting, taking) (*waiting)->reject(hasEnded());
      if (run.decoder.leftBehind()) access.ports().commandLeftBehind();
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
        case CommandOutput::INPUT_TAKEN:
          inputWasTaken();
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

}  // namespace

kj::Duration joinPause(unsigned attempt) {
  return kj::min((1 << attempt) * 100 * kj::MILLISECONDS, MAX_JOIN_PAUSE);
}

kj::Own<WorkspaceProcess> newRunningProcess(SandboxAccess& access, kj::Own<SandboxUse> use,
                                            Running running, bool hasStdin,
                                            kj::Maybe<kj::Duration> timeout, bool leave,
                                            OutputReceiver& output) {
  return kj::heap<SandboxProcess>(access, kj::mv(use), kj::mv(running), hasStdin, timeout, leave,
                                  output);
}

}  // namespace sandbridge
