#pragma once
// The OpenCode front: supervises an `opencode serve` and passes every request that is not the bridge's own through to it.

#include <kj/async-io.h>
#include <kj/compat/http.h>

namespace sandbridge {

class OpenCodeServer {
 public:
  virtual ~OpenCodeServer() noexcept(false) {}  // ends the server's process group: SIGTERM, SIGKILL after 3 s

  virtual kj::StringPtr url() = 0;  // "http://127.0.0.1:PORT"

  // Rejects with a readable reason when the server ends by itself; never resolves.
  virtual kj::Promise<void> onExit() = 0;
};

struct OpenCodeOptions {
  kj::String command;        // default "opencode"; split at spaces
  kj::String bridgeUrl;      // "ws://127.0.0.1:8787/rpc", for SANDBRIDGE_URL
  kj::String tokenFile;      // for SANDBRIDGE_TOKEN_FILE
  kj::String pluginPath;     // the plugin's folder
  kj::String stateDir;       // holds the private, empty working directory of the server
};

// Starts the server on a free loopback port in an empty private directory with the plugin configured, and waits for
// its "listening" line (60 s).
kj::Promise<kj::Own<OpenCodeServer>> startOpenCode(kj::AsyncIoContext& io, OpenCodeOptions options);

// Passes requests through to `url`: streaming both ways, server-sent events, WebSocket upgrades, hang-ups.
kj::Own<kj::HttpService> newReverseProxy(kj::Timer& timer, kj::Network& network,
                                         const kj::HttpHeaderTable& table, kj::StringPtr url);

}  // namespace sandbridge
