#pragma once
// The C++ client's way to a bridge: for the command line, and for harnesses in C++.

#include "rpc/rpc-connection.h"
#include "schema/sandbox-rpc.capnp.h"

#include <kj/async-io.h>

namespace sandbridge {

class RpcClient {
 public:
  virtual ~RpcClient() noexcept(false) {}

  virtual api::SandboxRpcApi::Client api() = 0;
  virtual kj::Promise<void> onDisconnect() = 0;
};

// Connects to `url` ("ws://127.0.0.1:8787/rpc", or wss://) within 10 s. Rejects with UNAVAILABLE when nobody answers there,
// DENIED when the token is refused, FAILED when it is no bridge that answers; each text names the URL and the
// next step.
kj::Promise<kj::Own<RpcClient>> connectRpc(kj::Network& network, kj::Timer& timer, kj::String url,
                                           kj::String token);

}  // namespace sandbridge
