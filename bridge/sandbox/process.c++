#include "sandbox/process.h"

#include "base/error.h"
#include "base/log.h"

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
// A finished stream is read to its end, so that its connection can be used again.
constexpr kj::Duration DRAIN_TIMEOUT = 2 * kj::SECONDS;

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

// Unlike other commands, this one can be sent twice.
kj::Promise<void> endGroup(kj::Own<SandboxUse> use, kj::Timer& timer, uint32_t group) {
  for (unsigned attempt = 1;; ++attempt) {
    try {
      co_await runQuietly(use->addRef(), timer, endRequest(group));
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

class SandboxProcess final : public WorkspaceProcess {
 public:
  SandboxProcess(SandboxAccess& access, kj::Own<SandboxUse> use, kj::Own<ProcessEvents> events,
                 CommandOutput decoder, kj::Array<CommandOutput::Step> early, uint32_t daemonPid,
                 bool hasStdin, kj::Maybe<kj::Duration> timeout, OutputReceiver& output)
      : access(access),
        timer(access.timer()),
        use(kj::mv(use)),
        events(kj::mv(events)),
        decoder(kj::mv(decoder)),
        early(kj::mv(early)),
        daemonPid(daemonPid),
        hasStdin(hasStdin),
        timeout(timeout),
        started(timer.now()),
        output(output) {}

  ~SandboxProcess() noexcept(false) {
    if (!ended) access.background(endGroup(use->addRef(), timer, decoder.group()));
  }

  kj::Promise<ExitStatus> wait() override { return access.cuts().wrap(waitToEnd()); }

  kj::Promise<void> signal(int number) override {
    if (ended) return kj::READY_NOW;
    return access.cuts().wrap(
        runQuietly(use->addRef(), timer, signalRequest(decoder.group(), number)));
  }

  kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) override {
    requireStdin();
    if (ended)
      throwError(ErrorKind::INVALID_ARGUMENT, "the command has ended; nothing reads its input.");
    if (bytes.size() == 0) return kj::READY_NOW;
    return access.cuts().wrap(use->plane().writeStdin(daemonPid, kj::heapArray<kj::byte>(bytes)));
  }

  kj::Promise<void> closeStdin() override {
    requireStdin();
    if (ended) return kj::READY_NOW;
    return access.cuts().wrap(use->plane().closeStdin(daemonPid));
  }

 private:
  SandboxAccess& access;
  kj::Timer& timer;
  kj::Own<SandboxUse> use;  // until the command has ended; then `access` is not touched any more
  kj::Own<ProcessEvents> events;
  CommandOutput decoder;
  kj::Array<CommandOutput::Step> early;
  uint32_t daemonPid;
  bool hasStdin;
  kj::Maybe<kj::Duration> timeout;
  kj::TimePoint started;
  OutputReceiver& output;
  bool ended = false;
  bool timedOut = false;

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
      if (status != nullptr) access.background(drain(kj::mv(events), timer).attach(use->addRef()));
      ended = true;
      events = nullptr;
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
    for (auto& step : early) co_await deliver(step);
    early = nullptr;
    while (!decoder.complete()) {
      auto next = co_await events->next();
      KJ_IF_MAYBE (event, next) {
        if (event->kind == ProcessEvent::EXITED || event->kind == ProcessEvent::SIGNALED) {
          co_return fate(event->kind == ProcessEvent::SIGNALED, event->value);
        }
        if (event->kind == ProcessEvent::END_OF_LOG) {
          auto info = co_await use->plane().process(daemonPid);
          KJ_IF_MAYBE (number, info.signal) co_return fate(true, *number);
          co_return fate(false, info.exitCode.orDefault(-1));
        }
        auto step = decoder.take(*event);
        co_await deliver(step);
      } else {
        throwError(ErrorKind::INTERRUPTED,
                   "the command's output ended without telling how the command ended.");
      }
    }
    co_return KJ_ASSERT_NONNULL(decoder.status());
  }

  // Of a command whose script ended before it could tell.
  ExitStatus fate(bool signaled, int value) {
    KJ_IF_MAYBE (status, decoder.status()) return *status;
    if (signaled) return {ExitStatus::SIGNALED, static_cast<unsigned>(value)};
    if (value > 128 && value <= 128 + 64)
      return {ExitStatus::SIGNALED, static_cast<unsigned>(value - 128)};
    throwError(ErrorKind::FAILED,
               kj::str("the sandbox could not run the command to its end",
                       decoder.complaint().size() > 0 ? ": " : "", decoder.complaint(), "."));
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
    co_await endGroup(use->addRef(), timer, decoder.group());
    co_await timer.afterDelay(LEFTOVER_TIMEOUT);
  }
};

class Launch {
 public:
  Launch(SandboxAccess& access, WorkspaceCommand command, kj::String workdir, kj::StringPtr root,
         ScriptEngine engine, OutputReceiver& output)
      : access(access),
        command(kj::mv(command)),
        workdir(kj::mv(workdir)),
        root(root),
        engine(engine),
        output(output) {}

  kj::Promise<kj::Own<WorkspaceProcess>> start(SandboxUse& use) {
    auto result = co_await tryStart(use);
    KJ_IF_MAYBE (process, result) co_return kj::mv(*process);

    // The workspace itself is missing and cannot be made by the image's user.
    tensorlake::ProcessRequest request;
    request.command = kj::str("sh");
    request.args = kj::arr(kj::str("-c"), kj::str("mkdir -p \"$1\" && chmod 777 \"$1\""),
                           kj::str("sh"), kj::heapString(root));
    request.workingDir = kj::str("/");
    request.user = kj::str("root");
    co_await runQuietly(use.addRef(), access.timer(), kj::mv(request));
    result = co_await tryStart(use);
    KJ_IF_MAYBE (process, result) co_return kj::mv(*process);
    kj::throwFatalException(noWorkdir(workdir, "missing"));
  }

 private:
  SandboxAccess& access;
  WorkspaceCommand command;
  kj::String workdir;
  kj::StringPtr root;
  ScriptEngine engine;
  OutputReceiver& output;

  // None: the root of the workspace could not be made.
  kj::Promise<kj::Maybe<kj::Own<WorkspaceProcess>>> tryStart(SandboxUse& use) {
    auto& plane = use.plane();
    auto request = commandRequest(command, workdir, root, engine);
    kj::Own<ProcessEvents> events;
    uint32_t daemonPid = 0;
    if (command.keepStdin) {
      auto info = co_await plane.start(kj::mv(request));
      daemonPid = info.pid;
      kj::Maybe<kj::Exception> failure;
      try {
        events = co_await plane.follow(daemonPid, Log::OUTPUT);
      } catch (kj::Exception& e) {
        failure = kj::mv(e);
      }
      KJ_IF_MAYBE (e, failure) {
        co_await plane.kill(daemonPid);
        kj::throwFatalException(makeError(ErrorKind::INTERRUPTED, textOf(*e)));
      }
    } else {
      events = co_await plane.run(kj::mv(request));
    }

    CommandOutput decoder(command.mergeStderr);
    kj::Vector<CommandOutput::Step> early;
    for (;;) {
      auto next = co_await events->next();
      KJ_IF_MAYBE (event, next) {
        auto step = decoder.take(*event);
        if (step.kind == CommandOutput::STARTED) {
          co_return kj::Maybe<kj::Own<WorkspaceProcess>>(kj::heap<SandboxProcess>(
              access, use.addRef(), kj::mv(events), kj::mv(decoder), early.releaseAsArray(),
              daemonPid, command.keepStdin, command.timeout, output));
        }
        if (step.kind == CommandOutput::NO_WORKDIR) {
          access.background(drain(kj::mv(events), access.timer()).attach(use.addRef()));
          if (step.word == "missing" && workdir == root) {
            co_return kj::Maybe<kj::Own<WorkspaceProcess>>(nullptr);
          }
          kj::throwFatalException(noWorkdir(workdir, step.word));
        }
        if (step.kind != CommandOutput::NOTHING) early.add(kj::mv(step));
        bool over = event->kind == ProcessEvent::EXITED || event->kind == ProcessEvent::SIGNALED ||
                    event->kind == ProcessEvent::END_OF_LOG;
        if (!over) continue;
      }
      throwError(ErrorKind::FAILED,
                 kj::str("the sandbox could not start the command",
                         decoder.complaint().size() > 0 ? ": " : "", decoder.complaint(), "."));
    }
  }
};

kj::Promise<void> launch(SandboxAccess& access, kj::Own<Launch> launch,
                         kj::Own<kj::PromiseFulfiller<kj::Own<WorkspaceProcess>>> fulfiller) {
  try {
    auto late = access.timer().afterDelay(LAUNCH_TIMEOUT).then(
        []() -> kj::Promise<kj::Own<WorkspaceProcess>> {
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

kj::Promise<kj::Own<WorkspaceProcess>> startProcess(SandboxAccess& access, WorkspaceCommand command,
                                                    kj::String workdir, kj::StringPtr root,
                                                    ScriptEngine engine, OutputReceiver& output) {
  // What is wrong with the command itself is told before anything is asked of the sandbox.
  commandRequest(command, workdir, root, engine);
  auto paf = kj::newPromiseAndFulfiller<kj::Own<WorkspaceProcess>>();
  access.background(launch(
      access, kj::heap<Launch>(access, kj::mv(command), kj::mv(workdir), root, engine, output),
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
