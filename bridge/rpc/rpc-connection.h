#pragma once
// Cap'n Proto RPC on one WebSocket, for either end.

#include <capnp/rpc-twoparty.h>
#include <kj/compat/http.h>

namespace sandbridge {

class RpcConnection {
 public:
  // Serves `bootstrap` to the client at the other end.
  RpcConnection(kj::Own<kj::WebSocket> socket, capnp::Capability::Client bootstrap);
  // The client's end.
  explicit RpcConnection(kj::Own<kj::WebSocket> socket);
  ~RpcConnection() noexcept(false);
  KJ_DISALLOW_COPY(RpcConnection);

  // What the other end serves.
  capnp::Capability::Client bootstrap();

  // Resolves when the other end is gone, or was hung up on because it broke the protocol.
  kj::Promise<void> onDisconnect();

 private:
  struct Impl;
  kj::Own<Impl> impl;
};

}  // namespace sandbridge
