#pragma once
// The OpenCode front: supervises an `opencode serve` and passes every request that is not the bridge's own through to it.

#include <kj/async-io.h>
#include <kj/compat/http.h>

namespace sandbridge {

class OpenCodeServer {
 public:
  virtual ~OpenCodeServer() noexcept(false) {}  // ends the server's process group: SIGTERM, SIGKILL after 3 s

  virtual kj::StringPtr url() = 0;  // "http://127.0.0.1:PORT"

  // The value of the Authorization header that it asks for. A secret.
  virtual kj::StringPtr authorization() = 0;

  // The private, empty directory that it works in.
  virtual kj::StringPtr directory() = 0;

  // Rejects with a readable reason when the server ends by itself; never resolves.
  virtual kj::Promise<void> onExit() = 0;
};

struct OpenCodeOptions {
  kj::String command;        // default "opencode"; split at spaces
  kj::String bridgeUrl;      // "ws://127.0.0.1:8787/rpc", for SANDBRIDGE_URL
  kj::String tokenFile;      // for SANDBRIDGE_TOKEN_FILE
  kj::String pluginPath;     // the plugin's folder
  kj::String stateDir;       // holds the private, empty working directory of the server
  bool anyHost = false;      // for the proxy, see ReverseProxyOptions; true when others than loopback are listened to
};

// Starts the server on a free loopback port in an empty private directory with the plugin configured, and waits for
// its "listening" line (60 s). The server and all that it starts end with the bridge, however that ends.
kj::Promise<kj::Own<OpenCodeServer>> startOpenCode(kj::AsyncIoContext& io, OpenCodeOptions options);

struct ReverseProxyOptions {
  kj::String authorization;  // sent in place of the client's, unless empty
  kj::String directory;      // the one directory that clients may work in, whatever they ask for, unless empty
  // Whether requests may name any host. If not, only loopback names: else a web page could reach the server through a name
  // of its own that points to 127.0.0.1.
  bool anyHost = false;
};

// Passes requests through to `url`: streaming both ways, server-sent events, WebSocket upgrades, hang-ups.
//
// Refuses requests from web pages (an Origin that is not loopback, Sec-Fetch-Site: cross-site), and those by which OpenCode
// would run or read something on the bridge's machine: terminals, file search, and every change but those that its clients
// make (request-policy.c++).
kj::Own<kj::HttpService> newReverseProxy(kj::Timer& timer, kj::Network& network,
                                         const kj::HttpHeaderTable& table, kj::StringPtr url,
                                         ReverseProxyOptions options = {});

// The same for a server from startOpenCode(), which need not outlive it.
kj::Own<kj::HttpService> newReverseProxy(kj::Timer& timer, kj::Network& network,
                                         const kj::HttpHeaderTable& table, OpenCodeServer& server,
                                         bool anyHost = false);

}  // namespace sandbridge
