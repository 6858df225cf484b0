#include "command-client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/ids.h"

#include <kj/debug.h>

namespace sandbridge {
namespace {

constexpr kj::StringPtr DEFAULT_URL = "ws://127.0.0.1:8787/rpc"_kj;

kj::StringPtr bridgeUrl() { return environment("SANDBRIDGE_URL").orDefault(DEFAULT_URL); }

// Cap'n Proto says no more than that the peer has gone; connectRpc() words its own failures.
kj::String failureText(const kj::Exception& e) {
  if (e.getType() != kj::Exception::Type::DISCONNECTED) return textOf(e);
  return kj::str("the connection to the bridge at ", bridgeUrl(), " broke before its answer came; what was asked "
                 "for may have been done, or go on. Look before you repeat it");
}

kj::String findToken() {
  KJ_IF_MAYBE(token, environment("SANDBRIDGE_TOKEN")) {
    return kj::str(*token);
  }
  KJ_IF_MAYBE(file, environment("SANDBRIDGE_TOKEN_FILE")) {
    return loadToken(*file);
  }
  auto file = defaultTokenFile();
  kj::Maybe<kj::String> token;
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { token = loadToken(file); })) {
    if (kindOf(*e) != ErrorKind::NOT_FOUND) kj::throwFatalException(kj::mv(*e));
    throwError(ErrorKind::NOT_FOUND,
               kj::str("no token for the bridge: `sandbridge serve` makes one in ", file,
                       " when it starts; for a bridge elsewhere set SANDBRIDGE_TOKEN or SANDBRIDGE_TOKEN_FILE"));
  }
  return kj::mv(KJ_ASSERT_NONNULL(token));
}

}  // namespace

kj::Promise<kj::Own<RpcClient>> connectBridge(kj::AsyncIoContext& io) {
  return kj::evalNow([&]() {
    return connectRpc(io.provider->getNetwork(), io.provider->getTimer(), kj::str(bridgeUrl()), findToken());
  });
}

void SessionOptions::addTo(kj::MainBuilder& builder) {
  builder.addOptionWithArg({'s', "session"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
    if (value.size() == 0) return "the session's id is empty";
    id = value;
    return true;
  }, "<id>", "The session: any name. The first use of a new one makes its sandbox.");
  builder.addOptionWithArg({"parent"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
    parent = value;
    return true;
  }, "<id>", "The session at the top of its family, whose sandbox it shares.");
}

kj::Maybe<kj::String> SessionOptions::problem() {
  if (id.size() == 0) return kj::str("which session? Give --session ID");
  return nullptr;
}

api::Session::Client SessionOptions::open(RpcClient& client) {
  auto request = client.api().sessionRequest();
  auto key = request.initKey();
  key.setId(id);
  key.setRoot(parent);
  return request.send().getSession();
}

void runClient(CommandLine& commandLine, kj::Function<kj::Promise<int>(kj::AsyncIoContext&)> command) {
  captureEndSignals();
  auto io = kj::setupAsyncIo();
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() {
    commandLine.exitCode = command(io).wait(io.waitScope);
  })) {
    commandLine.exitCode = EXIT_FAILED;
    commandLine.warning(kj::str("sandbridge: ", failureText(*e)));
  }
}

kj::Promise<int> endedBySignal(kj::AsyncIoContext& io) {
  return onEndSignal(io.unixEventPort).then([](int number) { return 128 + number; });
}

}  // namespace sandbridge
