// `sandbridge exec`: a command in a session's sandbox, as if it ran here.

#include "command-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "rpc/capability-support.h"
#include "standard-io.h"

#include <kj/debug.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

namespace sandbridge {
namespace {

// Our end of a remote stream.
class OutputSink final : public api::ByteSink::Server {
 public:
  // `broken` is fulfilled when nobody reads the output any more.
  OutputSink(kj::UnixEventPort& port, int fd, kj::PromiseFulfiller<int>& broken)
      : output(port, fd), broken(broken) {}

  kj::Promise<void> write(WriteContext context) override {
    context.allowCancellation();
    return output.write(context.getParams().getBytes()).catch_([this](kj::Exception&& e) {
      // As a local command would end: by SIGPIPE, without a word.
      if (e.getType() == kj::Exception::Type::DISCONNECTED) {
        broken.fulfill(128 + SIGPIPE);
      } else {
        broken.reject(kj::mv(e));
      }
    });
  }

  kj::Promise<void> done(DoneContext context) override { return kj::READY_NOW; }

 private:
  StandardOutput output;
  kj::PromiseFulfiller<int>& broken;
};

int shellCode(api::ExitStatus::Reader status) {
  switch (status.which()) {
    case api::ExitStatus::CODE: return status.getCode() & 0xff;
    case api::ExitStatus::SIGNAL: return 128 + (status.getSignal() & 0x7f);
    case api::ExitStatus::TIMEOUT: return 124;  // as timeout(1) says it
  }
  throwError(ErrorKind::FAILED, "the bridge told an end of the command that this client does not know");
}

class ExecCommand {
 public:
  explicit ExecCommand(CommandLine& commandLine): commandLine(commandLine) {}

  kj::MainFunc build() {
    kj::MainBuilder builder(commandLine, versionText(),
        "Runs a command in the session's sandbox: its output comes out here, standard input and the signals INT, TERM "
        "and HUP go there, and its exit code is this command's. 128 + n says that signal n ended it, 124 that its time "
        "was over. The command's words are passed as they are; for a shell's syntax run `sh -c`.",
        CLIENT_ENVIRONMENT);
    session.addTo(builder);
    return builder
        .addOptionWithArg({'w', "workdir"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          workdir = value;
          return true;
        }, "<dir>", "Where to run it, in the sandbox. Default: /workspace.")
        .addOptionWithArg({'t', "timeout"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          char* end;
          auto seconds = strtod(value.cStr(), &end);
          if (value.size() == 0 || *end != '\0' || !(seconds > 0 && seconds <= 30 * 86400.0)) {
            return "it is a number of seconds, up to 30 days";
          }
          timeoutMs = kj::max(uint64_t(1), uint64_t(seconds * 1000));
          return true;
        }, "<seconds>", "Ends the command after this time.")
        .expectOneOrMoreArgs("<command>", [this](kj::StringPtr word) -> kj::MainBuilder::Validity {
          words.add(word);
          return true;
        })
        .callAfterParsing([this]() -> kj::MainBuilder::Validity {
          KJ_IF_MAYBE(problem, session.problem()) { return kj::mv(*problem); }
          runClient(commandLine, [this](kj::AsyncIoContext& io) { return run(io); });
          return true;
        })
        .build();
  }

 private:
  CommandLine& commandLine;
  SessionOptions session;
  kj::StringPtr workdir;
  uint64_t timeoutMs = 0;
  kj::Vector<kj::StringPtr> words;

  kj::Promise<int> run(kj::AsyncIoContext& io) {
    auto starting = start(io).then([](Running&& running) { return kj::heap(kj::mv(running)); });
    // Until it runs, a signal ends us; dropping the start undoes it.
    kj::Maybe<kj::Own<Running>> started;
    auto early = co_await starting.then([&started](kj::Own<Running>&& running) {
      started = kj::mv(running);
      return 0;
    }).exclusiveJoin(endedBySignal(io));
    KJ_IF_MAYBE(running, started) {
      auto& r = **running;
      auto pumping = pumpStdin(io, r).eagerlyEvaluate([&r](kj::Exception&& e) {
        auto kind = kindOf(e);
        // Input that was lost would be waited for in vain. Otherwise the command has ended or does not read: its exit
        // code tells the rest.
        if (kind == ErrorKind::INTERRUPTED || kind == ErrorKind::UNAVAILABLE) {
          r.breaker->reject(kj::mv(e));
        }
      });
      auto signals = passSignals(io, r);
      auto ended = r.process.waitRequest().send().then([](auto&& response) {
        return shellCode(response.getStatus());
      });
      co_return co_await ended.exclusiveJoin(kj::mv(r.broken)).exclusiveJoin(kj::mv(signals));
    }
    co_return early;
  }

  struct Running {
    kj::Own<RpcClient> client;
    kj::Own<kj::PromiseFulfiller<int>> breaker;
    kj::Promise<int> broken;
    bool hasStdin;
    api::Process::Client process;
  };

  kj::Promise<Running> start(kj::AsyncIoContext& io) {
    auto client = co_await connectBridge(io);
    auto paf = kj::newPromiseAndFulfiller<int>();
    auto request = session.open(*client).processesRequest().send().getProcesses().startRequest();
    auto command = request.initCommand();
    auto argv = command.initArgv(words.size());
    for (auto i : kj::indices(words)) argv.set(i, words[i]);
    command.setWorkdir(workdir);
    command.setTimeoutMs(timeoutMs);
    bool hasStdin = StandardInput::mayHaveInput();
    command.setStdin(hasStdin);
    request.setStdout(kj::heap<OutputSink>(io.unixEventPort, STDOUT_FILENO, *paf.fulfiller));
    request.setStderr(kj::heap<OutputSink>(io.unixEventPort, STDERR_FILENO, *paf.fulfiller));
    auto response = co_await request.send();
    co_return Running{kj::mv(client), kj::mv(paf.fulfiller), kj::mv(paf.promise), hasStdin,
                      response.getProcess()};
  }

  kj::Promise<void> pumpStdin(kj::AsyncIoContext& io, Running& running) {
    if (!running.hasStdin) co_return;
    StandardInput input(io.unixEventPort);
    auto sink = running.process.stdinRequest().send().getSink();
    auto buffer = kj::heapArray<kj::byte>(MAX_CHUNK);
    bool sending = false, atEnd = false;
    auto sent = kj::Promise<void>(kj::READY_NOW).fork();
    while (!atEnd) {
      // What comes while a write is under way goes along with the next: each is a round trip.
      size_t filled = 0;
      while (!atEnd && filled < buffer.size()) {
        auto read = input.tryRead(buffer.slice(filled, buffer.size()));
        KJ_IF_MAYBE(n, read) {
          atEnd = *n == 0;
          filled += *n;
        } else if (filled == 0) {
          co_await input.whenReadable();
        } else if (sending) {
          co_await input.whenReadable().exclusiveJoin(sent.addBranch());
        } else {
          break;
        }
      }
      co_await sent.addBranch();
      if (filled == 0) break;
      auto request = sink.writeRequest(capnp::MessageSize{filled / sizeof(capnp::word) + 8, 0});
      request.setBytes(buffer.slice(0, filled));
      sending = true;
      sent = request.send().then([&sending]() { sending = false; }).fork();
    }
    co_await sent.addBranch();
    co_await sink.doneRequest().send().ignoreResult();
  }

  // To the remote process group. The third interrupt ends us, whatever the command does.
  kj::Promise<int> passSignals(kj::AsyncIoContext& io, Running& running) {
    unsigned interrupts = 0;
    for (;;) {
      auto number = co_await onEndSignal(io.unixEventPort);
      if (number == SIGINT && ++interrupts == 3) co_return 128 + SIGINT;
      auto request = running.process.signalRequest();
      request.setNumber(number);
      // It may have ended meanwhile.
      co_await request.send().ignoreResult().catch_([](kj::Exception&&) {});
    }
  }
};

}  // namespace

kj::MainFunc newExecCommand(CommandLine& commandLine) {
  return commandLine.arena.allocate<ExecCommand>(commandLine).build();
}

}  // namespace sandbridge
