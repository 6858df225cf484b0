// `sandbridge local-cloud`: only the TensorLake-compatible server.

#include "command-line.h"

#include "base/coroutine.h"
#include "base/log.h"
#include "localcloud/local-cloud.h"
#include "shaping-options.h"

#include <kj/async-unix.h>

namespace sandbridge {
namespace {

class LocalCloudCommand {
 public:
  explicit LocalCloudCommand(CommandLine& commandLine): commandLine(commandLine) {}

  kj::MainFunc build() {
    return kj::MainBuilder(commandLine, versionText(),
        "Serves TensorLake's HTTP API on this machine, for TensorLake's own clients: sandboxes are Linux containers, kept "
        "in a directory. Prints one line that begins with \"sandbridge local cloud ready\" when it accepts connections. "
        "SIGINT and SIGTERM end it; the sandboxes stay.",
        "When TENSORLAKE_API_KEY is set here, clients must send that key; else any user of this machine may use the "
        "server.")
        .addOptionWithArg({'l', "listen"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          listen = value;
          return true;
        }, "<address>", "Where to listen: a loopback address, port 0 takes a free one. Default: 127.0.0.1:0.")
        .addOptionWithArg({'d', "dir"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          directory = kj::str(value);
          return true;
        }, "<dir>", "Where the sandboxes are kept. Default: $XDG_STATE_HOME/sandbridge/local-cloud.")
        .addOptionWithArg({"latency"}, takeLatency(shaping), "<ms>", LATENCY_HELP)
        .addOptionWithArg({"fault"}, takeFault(shaping), "<spec>", faultText)
        .callAfterParsing([this]() -> kj::MainBuilder::Validity {
          if (directory.size() == 0) directory = kj::str(stateDirectory(), "/local-cloud");
          kj::UnixEventPort::captureChildExit();
          captureEndSignals();
          auto io = kj::setupAsyncIo();
          auto stopped = onEndSignal(io.unixEventPort).then([](int number) {
            logInfo("ending: signal ", number);
          });
          run(io).exclusiveJoin(kj::mv(stopped)).wait(io.waitScope);
          return true;
        })
        .build();
  }

 private:
  CommandLine& commandLine;
  kj::StringPtr listen = "127.0.0.1:0";
  kj::String directory;
  localcloud::Shaping shaping;
  kj::String faultText = faultHelp();  // the builder keeps no copy

  kj::Promise<void> run(kj::AsyncIoContext& io) {
    auto key = environment("TENSORLAKE_API_KEY").orDefault(kj::StringPtr());
    auto cloud = co_await localcloud::startLocalCloud(io, listen, directory, kj::str(key), kj::mv(shaping));
    printOut(kj::str("sandbridge local cloud ready ", cloud->url(), " (sandboxes in ", directory, ")\n"));
    co_await cloud->run();
  }
};

}  // namespace

kj::MainFunc newLocalCloudCommand(CommandLine& commandLine) {
  return commandLine.arena.allocate<LocalCloudCommand>(commandLine).build();
}

}  // namespace sandbridge
