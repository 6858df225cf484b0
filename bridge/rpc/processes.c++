#include "rpc/capability-support.h"

namespace sandbridge {
namespace {

// Longer than any command; a number of milliseconds beyond it is a mistake.
constexpr uint64_t MAX_TIMEOUT_MS = 30ull * 24 * 3600 * 1000;

kj::Promise<void> writeTo(api::ByteSink::Client& sink, kj::ArrayPtr<const kj::byte> bytes) {
  auto request = sink.writeRequest(capnp::MessageSize{bytes.size() / sizeof(capnp::word) + 8, 0});
  request.setBytes(bytes);
  return request.send();
}

// A command under way, with the client's sinks. Its output flows whether or not somebody waits for its end.
class RunningProcess final : public kj::Refcounted, private OutputReceiver {
 public:
  RunningProcess(kj::Own<SharedSession> session, kj::Own<Quota::Ticket> ticket,
                 kj::Maybe<api::ByteSink::Client> stdoutSink,
                 kj::Maybe<api::ByteSink::Client> stderrSink, bool hasStdin)
      : hasStdin(hasStdin), session(kj::mv(session)), ticket(kj::mv(ticket)),
        stdoutSink(kj::mv(stdoutSink)), stderrSink(kj::mv(stderrSink)) {}

  ~RunningProcess() noexcept(false) { kill(); }

  const bool hasStdin;

  kj::Promise<void> start(WorkspaceCommand command) {
    process = co_await session->workspace().start(kj::mv(command), *this);
    finished = run().then([this](ExitStatus status) -> kj::Promise<ExitStatus> {
      end();
      return status;
    }, [this](kj::Exception&& e) -> kj::Promise<ExitStatus> {
      // A client that cannot take the output has no use for the command.
      end();
      process = nullptr;
      return kj::mv(e);
    }).fork();
  }

  kj::Promise<ExitStatus> wait() {
    KJ_IF_MAYBE(f, finished) {
      co_return co_await f->addBranch();
    }
    throw makeError(ErrorKind::NOT_FOUND, "the command was ended because its Process was dropped");
  }

  kj::Promise<void> signal(int number) { return canceler.wrap(running().signal(number)); }

  kj::Promise<void> writeStdin(kj::ArrayPtr<const kj::byte> bytes) {
    return canceler.wrap(running().writeStdin(bytes));
  }

  kj::Promise<void> closeStdin() { return canceler.wrap(running().closeStdin()); }

  // Ends the command's process group, if it runs still.
  void kill() {
    end();
    finished = nullptr;
    process = nullptr;
  }

 private:
  kj::Own<SharedSession> session;
  kj::Own<Quota::Ticket> ticket;
  kj::Maybe<api::ByteSink::Client> stdoutSink;
  kj::Maybe<api::ByteSink::Client> stderrSink;
  kj::Maybe<kj::Own<WorkspaceProcess>> process;
  bool ended = false;
  kj::Maybe<kj::ForkedPromise<ExitStatus>> finished;
  kj::Canceler canceler;

  static kj::Exception gone() { return makeError(ErrorKind::NOT_FOUND, "the command has ended"); }

  WorkspaceProcess& running() {
    if (ended) kj::throwFatalException(gone());
    return *KJ_ASSERT_NONNULL(process);
  }

  void end() {
    ended = true;
    session->toolbox->forgetFiles();
    canceler.cancel(gone());
  }

  kj::Promise<ExitStatus> run() {
    auto status = co_await KJ_ASSERT_NONNULL(process)->wait();
    KJ_IF_MAYBE(sink, stdoutSink) { co_await sink->doneRequest().send().ignoreResult(); }
    KJ_IF_MAYBE(sink, stderrSink) { co_await sink->doneRequest().send().ignoreResult(); }
    co_return status;
  }

  kj::Promise<void> stdoutChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    KJ_IF_MAYBE(sink, stdoutSink) { return writeTo(*sink, bytes); }
    return kj::READY_NOW;
  }
  kj::Promise<void> stderrChunk(kj::ArrayPtr<const kj::byte> bytes) override {
    KJ_IF_MAYBE(sink, stderrSink) { return writeTo(*sink, bytes); }
    return kj::READY_NOW;
  }
};

class StdinSink final : public api::ByteSink::Server {
 public:
  explicit StdinSink(kj::Own<RunningProcess> process): process(kj::mv(process)) {}

  kj::Promise<void> write(WriteContext context) override {
    return answer(context, [&]() {
      auto bytes = context.getParams().getBytes();  // stays until the call has returned
      if (bytes.size() > MAX_CHUNK) {
        throwError(ErrorKind::INVALID_ARGUMENT, "one write holds more than 1 MiB");
      }
      return process->writeStdin(bytes);
    });
  }

  kj::Promise<void> done(DoneContext context) override {
    return answer(context, [&]() { return process->closeStdin(); });
  }

 private:
  kj::Own<RunningProcess> process;
};

class ProcessCapability final : public api::Process::Server {
 public:
  explicit ProcessCapability(kj::Own<RunningProcess> process): process(kj::mv(process)) {}
  ~ProcessCapability() noexcept(false) { process->kill(); }

  kj::Promise<void> wait(WaitContext context) override {
    return answer(context, [&]() {
      return process->wait().then([context](ExitStatus status) mutable {
        auto out = context.getResults(capnp::MessageSize{8, 0}).initStatus();
        switch (status.kind) {
          case ExitStatus::EXITED: out.setCode(status.value); break;
          case ExitStatus::SIGNALED: out.setSignal(status.value); break;
          case ExitStatus::TIMED_OUT: out.setTimeout(); break;
        }
      });
    });
  }

  kj::Promise<void> signal(SignalContext context) override {
    return answer(context, [&]() {
      auto number = context.getParams().getNumber();
      if (number < 1 || number > 64) {
        throwError(ErrorKind::INVALID_ARGUMENT, kj::str("there is no signal ", number));
      }
      return process->signal(number);
    });
  }

  kj::Promise<void> stdin(StdinContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      if (!process->hasStdin) {
        throwError(ErrorKind::INVALID_ARGUMENT,
                   "the command was started without `stdin`: its standard input is at its end");
      }
      context.getResults(capnp::MessageSize{4, 1})
          .setSink(kj::heap<StdinSink>(kj::addRef(*process)));
      return kj::READY_NOW;
    });
  }

 private:
  kj::Own<RunningProcess> process;
};

WorkspaceCommand toCommand(api::Command::Reader in) {
  WorkspaceCommand command;
  command.argv = KJ_MAP(arg, in.getArgv()) { return kj::str(arg); };
  if (command.argv.size() == 0 || command.argv[0].size() == 0) {
    throwError(ErrorKind::INVALID_ARGUMENT, "the command is empty");
  }
  command.workdir = kj::str(in.getWorkdir());
  command.environment = KJ_MAP(variable, in.getEnvironment()) {
    auto name = kj::str(variable.getName());
    if (name.size() == 0 || name.findFirst('=') != nullptr || name.findFirst('\0') != nullptr) {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 kj::str("\"", name, "\" cannot be the name of an environment variable"));
    }
    return EnvironmentVariable{kj::mv(name), kj::str(variable.getValue())};
  };
  if (in.getTimeoutMs() > MAX_TIMEOUT_MS) {
    throwError(ErrorKind::INVALID_ARGUMENT, "timeoutMs is longer than 30 days");
  }
  if (in.getTimeoutMs() > 0) command.timeout = in.getTimeoutMs() * kj::MILLISECONDS;
  command.mergeStderr = in.getMergeStderr();
  command.keepStdin = in.getStdin();
  return command;
}

class ProcessesCapability final : public api::Processes::Server {
 public:
  ProcessesCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits)
      : shared(kj::mv(session)), limits(kj::mv(limits)) {}

  kj::Promise<void> start(StartContext context) override {
    return answer(context, [&]() { return run(context); });
  }

 private:
  kj::Own<SharedSession> shared;
  kj::Own<ConnectionLimits> limits;

  kj::Promise<void> run(StartContext context) {
    auto params = context.getParams();
    auto command = toCommand(params.getCommand());
    kj::Maybe<api::ByteSink::Client> stdoutSink, stderrSink;
    if (params.hasStdout()) stdoutSink = params.getStdout();
    if (params.hasStderr()) stderrSink = params.getStderr();
    auto process = kj::refcounted<RunningProcess>(
        kj::addRef(*shared), limits->processes->take(), kj::mv(stdoutSink), kj::mv(stderrSink),
        command.keepStdin);
    context.releaseParams();
    co_await process->start(kj::mv(command));
    context.getResults(capnp::MessageSize{4, 1})
        .setProcess(kj::heap<ProcessCapability>(kj::mv(process)));
  }
};

}  // namespace

api::Processes::Client newProcessesCapability(kj::Own<SharedSession> session,
                                              kj::Own<ConnectionLimits> limits) {
  return kj::heap<ProcessesCapability>(kj::mv(session), kj::mv(limits));
}

}  // namespace sandbridge
