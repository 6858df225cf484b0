// `sandbridge serve`: constructs the bridge and wires it together.

#include "command-line.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "front/previews.h"
#include "localcloud/local-cloud.h"
#include "lsp/session-servers.h"
#include "net/http-client.h"
#include "net/http-server.h"
#include "opencode-front.h"
#include "rpc/listen-address.h"
#include "rpc/rpc-service.h"
#include "sandbox/sessions.h"
#include "shaping-options.h"
#include "tensorlake/client.h"

#include <kj/async-unix.h>
#include <kj/debug.h>
#include <malloc.h>

namespace sandbridge {
namespace {

// What orders under way get at the end, for instance to kill commands whose clients are cut off.
constexpr kj::Duration FAREWELL = 500 * kj::MILLISECONDS;

// By itself the C library gives each message of a large transfer back to the kernel, to fault it in again for the next one.
void keepFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 8 << 20);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

class ServeCommand {
 public:
  explicit ServeCommand(CommandLine& commandLine): commandLine(commandLine) {}

  kj::MainFunc build() {
    return kj::MainBuilder(commandLine, versionText(),
        "Runs the bridge: serves SandboxRpcApi at ws://ADDRESS/rpc and routes each session's tool calls to its sandbox. "
        "Prints one line that begins with \"sandbridge ready\" when it accepts connections; logs to standard error. "
        "SIGINT and SIGTERM end it; the sandboxes stay.",
        "The sandboxes are TensorLake's when TENSORLAKE_API_KEY (or TENSORLAKE_PAT) is set, else local ones: Linux "
        "containers on this machine, behind a TensorLake-compatible server inside this process.")
        .addOptionWithArg({'l', "listen"}, set(listen), "<address>",
            "Where to listen; port 0 takes a free one. Default: 127.0.0.1:8787. An address that other machines can reach "
            "needs --token-file.")
        .addOptionWithArg({"local"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          if (value.size() == 0) return "the directory is empty";
          local = kj::str(value);
          return true;
        }, "<dir>", "Local sandboxes, kept in this directory. Default: $XDG_STATE_HOME/sandbridge/local.")
        .addOption({"tensorlake"}, [this]() -> kj::MainBuilder::Validity {
          tensorlake = true;
          return true;
        }, "TensorLake's sandboxes, or an error when no key is set.")
        .addOptionWithArg({"token-file"}, set(tokenFile), "<file>",
            "The file with the token that clients send; made when it is missing. Default: SANDBRIDGE_TOKEN_FILE, else "
            "$XDG_STATE_HOME/sandbridge/token.")
        .addOptionWithArg({"allow-origin"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          allowedOrigins.add(kj::str(value));
          return true;
        }, "<origin>", "Lets web pages of this origin, as https://example.com, use /rpc with the token. Repeatable.")
        .addOption({"opencode"}, [this]() -> kj::MainBuilder::Validity {
          opencode = true;
          return true;
        }, "Also runs `opencode serve` with the plugin, and passes it all other requests: "
           "`opencode attach http://ADDRESS` works then.")
        .addOptionWithArg({"opencode-command"}, set(opencodeCommand), "<command>",
            "How to start OpenCode. Default: opencode.")
        .addOptionWithArg({"plugin"}, set(plugin), "<dir>",
            "The plugin's folder, for --opencode. Default: SANDBRIDGE_PLUGIN, else ../plugin beside this program's folder.")
        .addOptionWithArg({"preview-url"}, [this](kj::StringPtr value) -> kj::MainBuilder::Validity {
          previewUrl = value;
          return isPreviewAddress(value) ? kj::MainBuilder::Validity(true)
                                         : "it looks like https://*.preview.example.com";
        }, "<url>", "How browsers reach the bridge for previews of ports in sandboxes, with a * for the part that names one. "
           "Default: http://*.localhost:PORT, which works on this machine.")
        .addOptionWithArg({"latency"}, takeLatency(shaping), "<ms>", LATENCY_HELP)
        .addOptionWithArg({"fault"}, takeFault(shaping), "<spec>", faultText)
        .callAfterParsing([this]() { return run(); })
        .build();
  }

 private:
  CommandLine& commandLine;
  kj::StringPtr listen = "127.0.0.1:8787";
  kj::Maybe<kj::String> local;
  bool tensorlake = false;
  kj::StringPtr tokenFile;
  kj::Vector<kj::String> allowedOrigins;
  bool opencode = false;
  kj::StringPtr opencodeCommand = "opencode";
  kj::StringPtr plugin;
  kj::StringPtr previewUrl;
  localcloud::Shaping shaping;
  kj::String faultText = faultHelp();  // the builder keeps no copy

  kj::Function<kj::MainBuilder::Validity(kj::StringPtr)> set(kj::StringPtr& target) {
    return [&target](kj::StringPtr value) -> kj::MainBuilder::Validity {
      if (value.size() == 0) return "it is empty";
      target = value;
      return true;
    };
  }

  kj::MainBuilder::Validity run() {
    if (local != nullptr && tensorlake) return "--local and --tensorlake exclude each other";
    if (tokenFile.size() == 0) {
      tokenFile = environment("SANDBRIDGE_TOKEN_FILE").orDefault(kj::StringPtr());
    }
    auto address = parseListenAddress(listen);
    if (address == nullptr) return kj::str("--listen ", listen, ": it looks like 127.0.0.1:8787");
    if (!KJ_ASSERT_NONNULL(address).isLoopback && tokenFile.size() == 0) {
      return kj::str("--listen ", listen, ": other machines can reach this address, so name a token file of your own "
                     "with --token-file FILE; it is made when it is missing");
    }
    bool hasKey = environment("TENSORLAKE_API_KEY") != nullptr || environment("TENSORLAKE_PAT") != nullptr;
    if (tensorlake && !hasKey) {
      return "--tensorlake needs a key: set TENSORLAKE_API_KEY, or leave the option out for local sandboxes";
    }
    if (!shaping.isNone() && (tensorlake || (hasKey && local == nullptr))) {
      return "--latency and --fault are for local sandboxes: add --local DIR";
    }
    if (!tensorlake && !hasKey && local == nullptr) local = kj::str(stateDirectory(), "/local");

    keepFreedMemory();
    kj::UnixEventPort::captureChildExit();
    captureEndSignals();
    auto io = kj::setupAsyncIo();
    // Held until the loop has been given its last turns.
    Bridge bridge;
    serve(io, bridge, kj::mv(KJ_ASSERT_NONNULL(address))).wait(io.waitScope);
    bridge.service = nullptr;
    bridge.rpcService = nullptr;
    bridge.rpcApi = nullptr;
    io.provider->getTimer().afterDelay(FAREWELL).wait(io.waitScope);
    return true;
  }

  // In the order in which one needs the other.
  struct Bridge {
    kj::Own<localcloud::LocalCloud> cloud;
    kj::Promise<void> cloudRun = nullptr;
    kj::Own<HttpClient> http;
    kj::Own<tensorlake::Client> client;
    kj::Own<tensorlake::Tunnels> tunnels;
    kj::Own<Sessions> sessions;
    FileMemory files;
    kj::Own<Previews> previews;
    kj::Own<RpcApi> rpcApi;
    kj::Own<kj::HttpHeaderTable> table;
    kj::Own<kj::HttpService> noFront;
    kj::Own<OpenCodeFront> front;
    kj::Own<kj::HttpService> rpcService;
    kj::Own<kj::HttpService> service;
    kj::Own<kj::ConnectionReceiver> port;
  };

  kj::Promise<void> serve(kj::AsyncIoContext& io, Bridge& bridge, ListenAddress address) {
    auto stopped = onEndSignal(io.unixEventPort).then([](int number) {
      logInfo("ending: signal ", number);
    });
    co_await serveUntilFailure(io, bridge, kj::mv(address)).exclusiveJoin(kj::mv(stopped));
  }

  kj::Promise<void> serveUntilFailure(kj::AsyncIoContext& io, Bridge& bridge, ListenAddress address) {
    auto& timer = io.provider->getTimer();
    auto& network = io.provider->getNetwork();
    auto tokenPath = tokenFile.size() > 0 ? kj::str(tokenFile) : defaultTokenFile();
    auto token = loadOrCreateToken(tokenPath);
    bridge.port = withKeepAlive(co_await openPort(network, address.text));
    auto at = kj::str(address.host, ":", bridge.port->getPort());

    co_await startBackend(io, bridge);
    bridge.sessions = newSessions(*bridge.client, timer);
    auto previewAddress = previewUrl.size() > 0 ? kj::str(previewUrl)
                                                : kj::str("http://*.localhost:", bridge.port->getPort());
    bridge.previews = newPreviews(*bridge.sessions, *bridge.client, *bridge.tunnels, timer, previewAddress);

    RpcApi::Options options;
    options.version = kj::str(versionNumber());
    options.backend = local == nullptr ? api::ServerInfo::Backend::TENSORLAKE
                                       : api::ServerInfo::Backend::LOCAL;
    auto& previews = *bridge.previews;
    bridge.rpcApi = newRpcApi(*bridge.sessions, [&timer, &previews, &files = bridge.files](kj::StringPtr rootId, Workspace& workspace) {
      return newToolbox(workspace, timer, files, previews.linksOf(rootId), lsp::newSessionServers(workspace, timer));
    }, kj::mv(options));

    kj::HttpHeaderTable::Builder builder;
    builder.add("Authorization");
    builder.add("Origin");
    bridge.table = builder.build();
    bridge.noFront = newNoFront(*bridge.table);
    if (opencode) {
      OpenCodeFront::Options front;
      front.command = kj::str(opencodeCommand);
      front.bridgeUrl = kj::str("ws://", address.localHost, ":", bridge.port->getPort(), "/rpc");
      front.tokenFile = absolutePath(tokenPath);
      front.pluginPath = findPlugin(plugin);
      front.stateDir = stateDirectory();
      front.anyHost = !address.isLoopback;
      front.anyHost = !address.isLoopback;
      bridge.front = kj::heap<OpenCodeFront>(io, *bridge.table, kj::mv(front));
    }
    kj::HttpService& front = bridge.front.get() == nullptr
        ? *bridge.noFront : static_cast<kj::HttpService&>(*bridge.front);

    RpcServiceOptions serviceOptions;
    serviceOptions.token = kj::mv(token);
    serviceOptions.allowedOrigins = allowedOrigins.releaseAsArray();
    serviceOptions.health = health();
    bridge.rpcService = newRpcService(*bridge.rpcApi, *bridge.table, front, kj::mv(serviceOptions));
    bridge.service = bridge.previews->serveBefore(*bridge.rpcService, *bridge.table);

    auto serving = serveHttp(*bridge.port, timer, *bridge.table, *bridge.service);
    if (bridge.cloud.get() != nullptr) serving = serving.exclusiveJoin(kj::mv(bridge.cloudRun));
    if (bridge.front.get() == nullptr) {
      announce(at);
      co_await serving;
    } else {
      auto running = bridge.front->run();
      auto announced = bridge.front->onStarted().then([this, &at]() -> kj::Promise<void> {
        announce(at);
        return kj::NEVER_DONE;
      });
      co_await serving.exclusiveJoin(kj::mv(running)).exclusiveJoin(kj::mv(announced));
    }
  }

  // The client of where the sandboxes are. Local ones are reached by the same HTTP as TensorLake.
  kj::Promise<void> startBackend(kj::AsyncIoContext& io, Bridge& bridge) {
    auto& timer = io.provider->getTimer();
    bridge.http = newHttpClient(io.unixEventPort, timer);
    kj::String key, url;
    if (local != nullptr) {
      key = randomToken();
      bridge.cloud = co_await localcloud::startLocalCloud(io, "127.0.0.1:0", KJ_ASSERT_NONNULL(local), kj::str(key),
                                                           kj::mv(shaping));
      bridge.cloudRun = bridge.cloud->run().eagerlyEvaluate(nullptr);
      url = kj::str(bridge.cloud->url());
    }
    auto config = [&]() {
      if (local == nullptr) return tensorlake::configFromEnvironment();
      return tensorlake::configFromEnvironment([&](kj::StringPtr name) -> kj::Maybe<kj::StringPtr> {
        if (name == "TENSORLAKE_API_KEY") return kj::StringPtr(key);
        if (name == "TENSORLAKE_API_URL") return kj::StringPtr(url);
        // What new sandboxes are made of holds here too; who we are at TensorLake does not.
        for (auto kept : {"TENSORLAKE_IMAGE"_kj, "TENSORLAKE_CPUS"_kj, "TENSORLAKE_MEMORY_MB"_kj,
                          "TENSORLAKE_DISK_MB"_kj}) {
          if (name == kept) return environment(name);
        }
        return nullptr;
      });
    };
    bridge.client = tensorlake::newClient(config(), *bridge.http, timer);
    bridge.tunnels = tensorlake::newTunnels(config(), io.provider->getNetwork(), timer);
  }

  void announce(kj::StringPtr at) {
    auto where = local == nullptr ? kj::str("TensorLake")
                                  : kj::str("local sandboxes in ", KJ_ASSERT_NONNULL(local));
    printOut(kj::str("sandbridge ready ws://", at, "/rpc (", where, ")\n"));
  }

  kj::String health() {
    JsonWriter json;
    json.beginObject().field("status", "ok").field("name", "sandbridge").field("version", versionNumber())
        .field("backend", local == nullptr ? "tensorlake" : "local").endObject();
    return kj::str(json.finish(), "\n");
  }
};

}  // namespace

kj::MainFunc newServeCommand(CommandLine& commandLine) {
  return commandLine.arena.allocate<ServeCommand>(commandLine).build();
}

}  // namespace sandbridge
