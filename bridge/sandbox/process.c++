#include "sandbox/process.h"

#include "base/error.h"
#include "sandbox/command-arguments.h"
#include "sandbox/process-end.h"
#include "sandbox/running-process.h"

namespace sandbridge {

namespace {

using tensorlake::Log;
using tensorlake::ProcessEvent;

constexpr kj::Duration LAUNCH_TIMEOUT = 180 * kj::SECONDS;
// A keeper that does not know a command may still be about to hear of it.
constexpr unsigned UNKNOWN_ATTEMPTS = 4;
// Once it is missing, once its keeper.
constexpr unsigned HELPER_ATTEMPTS = 3;
// The two streams of a command race for its start; a program that lies may say that it never comes.
constexpr size_t MAX_EARLY_BYTES = 1u << 20;

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
    auto process = newRunningProcess(access, use.addRef(), kj::mv(running), command.keepStdin,
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
      // It has been started. However its ending goes, that must not read as if it had not.
      access.background(
          endUnseen(use.addRef(), access.timer(), info.pid, kj::heapString(running.operation)));
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
    size_t earlyBytes = 0;
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
          case CommandOutput::INPUT_TAKEN:
          case CommandOutput::NOT_STARTED:
            break;
          default:
            earlyBytes += step.bytes.size();
            if (earlyBytes > MAX_EARLY_BYTES) {
              throwError(ErrorKind::INTERRUPTED,
                         "the command's output was garbled on its way; the command may have run.");
            }
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

}  // namespace sandbridge
