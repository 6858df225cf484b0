#pragma once
// How the client commands reach the bridge and name a session.

#include "command-line.h"
#include "rpc/rpc-client.h"

namespace sandbridge {

// By SANDBRIDGE_URL, SANDBRIDGE_TOKEN, SANDBRIDGE_TOKEN_FILE and their defaults.
kj::Promise<kj::Own<RpcClient>> connectBridge(kj::AsyncIoContext& io);

// `--session ID [--parent ID]`.
struct SessionOptions {
  kj::StringPtr id;
  kj::StringPtr parent;

  void addTo(kj::MainBuilder& builder);
  // What is missing, as a usage error.
  kj::Maybe<kj::String> problem();
  api::Session::Client open(RpcClient& client);
};

// Help for the three variables, for the end of a command's description.
constexpr kj::StringPtr CLIENT_ENVIRONMENT =
    "The bridge is found by SANDBRIDGE_URL (default ws://127.0.0.1:8787/rpc), and its token by "
    "SANDBRIDGE_TOKEN, else in the file SANDBRIDGE_TOKEN_FILE, else in the bridge's default token file."_kj;

// Runs a client command on an event loop, with its signals captured. One that fails says why on one line and sets
// exit code 1.
void runClient(CommandLine& commandLine, kj::Function<kj::Promise<int>(kj::AsyncIoContext&)> command);

// A signal that ends this command: 128 + its number, as a shell says it.
kj::Promise<int> endedBySignal(kj::AsyncIoContext& io);

}  // namespace sandbridge
