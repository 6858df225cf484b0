#include "localcloud/local-cloud.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/ids.h"
#include "localcloud/box.h"
#include "localcloud/control-plane.h"
#include "localcloud/data-plane-proxy.h"
#include "localcloud/ingress.h"
#include "localcloud/shaping-service.h"
#include "localcloud/tcp-tunnel.h"
#include "net/http-server.h"

#include <kj/debug.h>
#include <kj/encoding.h>

namespace sandbridge::localcloud {

namespace {

// An official client given any other address, such as [::1] or 127.0.0.2, takes it for none of its own and
// sends its requests, key included, to production.
constexpr kj::StringPtr LOOPBACK_HOSTS[] = {"127.0.0.1"_kj, "localhost"_kj};

// Of terminals and tunnels, as TensorLake's daemon has it.
constexpr kj::Duration PING_INTERVAL = 30 * kj::SECONDS;

struct ListenAddress {
  kj::StringPtr host;
  uint16_t port;
};

ListenAddress parseListenAddress(kj::StringPtr address) {
  for (auto host: LOOPBACK_HOSTS) {
    if (address.size() > host.size() + 1 && address.startsWith(host) && address[host.size()] == ':') {
      KJ_IF_MAYBE(port, parseDecimal(address.slice(host.size() + 1), UINT16_MAX)) {
        return {host, static_cast<uint16_t>(*port)};
      }
    }
  }
  throwError(ErrorKind::INVALID_ARGUMENT,
             kj::str("the local cloud listens on 127.0.0.1:PORT or localhost:PORT only (port 0: any free "
                     "one), not on ", quote(address)));
}

// Lower case, without a port.
kj::String hostNameOf(kj::StringPtr host) {
  size_t end = host.size();
  for (size_t i = host.size(); i > 0; i--) {
    char c = host[i - 1];
    if (c == ':') {
      end = i - 1;
      break;
    }
    if (c < '0' || c > '9') break;
  }
  auto name = kj::heapString(host.slice(0, end));
  for (char& c: name) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return name;
}

bool isLoopback(kj::StringPtr hostName) {
  for (auto host: LOOPBACK_HOSTS) {
    if (hostName == host) return true;
  }
  return false;
}

// Whether the URL is this path, with or without a query.
bool isPath(kj::StringPtr url, kj::StringPtr path) {
  return url.startsWith(path) && (url.size() == path.size() || url[path.size()] == '?');
}

// Decoded parts of the path; none when it is not one.
kj::Maybe<kj::Vector<kj::String>> splitPath(kj::ArrayPtr<const char> path) {
  if (path.size() == 0 || path[0] != '/') return nullptr;
  kj::Vector<kj::String> parts;
  size_t begin = 1;
  for (size_t i = 1; i <= path.size(); i++) {
    if (i < path.size() && path[i] != '/') continue;
    auto part = kj::decodeUriComponent(path.slice(begin, i));
    if (part.hadErrors || part.findFirst('\0') != nullptr) return nullptr;
    parts.add(kj::mv(part));
    begin = i + 1;
  }
  return kj::mv(parts);
}

class Service final : public kj::HttpService {
 public:
  Service(kj::Timer& timer, Registry& registry, Pools& pools, Snapshots& snapshots, SandboxLogs& logs,
          kj::StringPtr url, kj::String apiKey)
      : timer(timer), registry(registry), apiKey(kj::mv(apiKey)), origin(builder.add("Origin")),
        fetchSite(builder.add("Sec-Fetch-Site")),
        authorization(builder.add("Authorization")), sandboxId(builder.add("X-Tensorlake-Sandbox-Id")),
        patience(builder.add("X-Tensorlake-Request-Timeout-Ms")), proxy(builder, timer), ingress(builder, timer, registry),
        table(builder.build()), control(registry, pools, snapshots, logs, url) {}

  const kj::HttpHeaderTable& headerTable() { return *table; }

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    auto host = hostNameOf(headers.get(kj::HttpHeaderId::HOST).orDefault(""));
    auto sandboxLabel = sandboxLabelOf(host);
    KJ_IF_MAYBE(label, sandboxLabel) {
      auto target = ingress.find(*label);
      KJ_IF_MAYBE(t, target) {
        if (t->port != MANAGEMENT_PORT) {
          return ingress.serve(*table, kj::mv(*t), isAuthorized(headers), apiKey.size() > 0 && isAuthorized(headers),
                               method, url, headers, body, response);
        }
        *label = kj::heapString(t->sandbox->record().id);
      }
    }
    // Web pages can reach loopback ports, directly or by a name that they point here. No API client sends an Origin, or what
    // browsers say of a page's requests that have none.
    if (headers.get(origin) != nullptr || headers.get(fetchSite).orDefault("none") != "none"_kj) {
      return replyError(response, *table, {403, "FORBIDDEN"_kj, kj::str("not for web pages")});
    }
    if (sandboxLabel == nullptr && !isLoopback(host)) {
      return replyError(response, *table, {403, "FORBIDDEN"_kj,
          kj::str("reach the local cloud as localhost, 127.0.0.1 or <sandbox>.local, not as ", quote(host))});
    }
    if (!isAuthorized(headers)) {
      return replyError(response, *table, {401, "UNAUTHENTICATED"_kj,
          kj::str("send the API key of the local cloud as Authorization: Bearer")});
    }

    KJ_IF_MAYBE(label, sandboxLabel) {
      return serveSandbox(*label, method, url, headers, body, response);
    }
    KJ_IF_MAYBE(id, headers.get(sandboxId)) {
      return serveSandbox(*id, method, url, headers, body, response);
    }
    if (url.startsWith("/api/v1/")) {
      return replyError(response, *table, {400, "MISSING_SANDBOX_ID"_kj,
          kj::str("name the sandbox by Host: <sandbox>.local or by X-Tensorlake-Sandbox-Id")});
    }

    size_t question = url.findFirst('?').orDefault(url.size());
    auto path = splitPath(url.slice(0, question));
    KJ_IF_MAYBE(parts, path) {
      ApiCall call{method, nullptr, kj::mv(*parts), nullptr, nullptr, *table, body, response};
      if (question < url.size()) call.query = kj::heapString(url.slice(question + 1));
      KJ_IF_MAYBE(text, headers.get(patience)) {
        KJ_IF_MAYBE(ms, parseDecimal(*text, UINT32_MAX)) call.patience = *ms * kj::MILLISECONDS;
      }
      return control.serve(kj::mv(call));
    }
    return replyError(response, *table, {400, "INVALID_REQUEST"_kj, kj::str("the path is not well formed")});
  }

 private:
  kj::Timer& timer;
  Registry& registry;
  kj::String apiKey;
  kj::HttpHeaderTable::Builder builder;
  kj::HttpHeaderId origin, fetchSite, authorization, sandboxId, patience;
  DataPlaneProxy proxy;
  Ingress ingress;
  kj::Own<kj::HttpHeaderTable> table;
  ControlPlane control;

  bool isAuthorized(const kj::HttpHeaders& headers) {
    if (apiKey.size() == 0) return true;
    constexpr auto BEARER = "bearer "_kj;
    auto value = headers.get(authorization).orDefault("");
    if (value.size() < BEARER.size()) return false;
    for (size_t i = 0; i < BEARER.size(); i++) {
      if ((value[i] | 0x20) != BEARER[i]) return false;
    }
    return equalSecrets(value.slice(BEARER.size()), apiKey);
  }

  kj::Promise<void> serveSandbox(kj::StringPtr label, kj::HttpMethod method, kj::StringPtr url,
                                 const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                                 Response& response) {
    auto sandbox = registry.findAnywhere(label);
    KJ_IF_MAYBE(s, sandbox) {
      if (method == kj::HttpMethod::GET && isPath(url, TUNNEL_PATH)) {
        return serveTcpTunnel(timer, *table, kj::mv(*s), kj::heapString(url), headers.isWebSocket(), response);
      }
    }
    return proxy.serve(*table, kj::mv(sandbox), label, method, url, headers, body, response);
  }
};

class LocalCloudImpl final : public LocalCloud {
 public:
  LocalCloudImpl(kj::Own<Boxes> boxesParam, kj::Timer& timer, kj::Own<kj::ConnectionReceiver> portParam,
                 kj::String dir, kj::String urlParam, kj::String apiKey, Shaping shaping)
      : timer(timer), boxes(kj::mv(boxesParam)), store(kj::str(dir, "/sandboxes")),
        logs(kj::str(dir, "/logs")), registry(timer, *boxes, store, logs), poolStore(kj::str(dir, "/pools")),
        pools(registry, poolStore), snapshots(registry, *boxes, kj::str(dir, "/snapshots")), port(kj::mv(portParam)),
        ownUrl(kj::mv(urlParam)), service(timer, registry, pools, snapshots, logs, ownUrl, kj::mv(apiKey)),
        shaping(kj::mv(shaping)) {}

  kj::Promise<void> adopt() {
    return registry.adopt().then([this]() {
      snapshots.adopt();
      pools.adopt();
    });
  }

  kj::StringPtr url() override { return ownUrl; }

  kj::Promise<void> run() override {
    if (shaping.isNone()) return serveHttp(*port, timer, service.headerTable(), service, PING_INTERVAL);
    return serveShaped(*port, timer, service.headerTable(), service, kj::mv(shaping));
  }

 private:
  kj::Timer& timer;
  kj::Own<Boxes> boxes;
  RecordStore store;
  SandboxLogs logs;
  Registry registry;
  PoolStore poolStore;
  Pools pools;
  Snapshots snapshots;
  kj::Own<kj::ConnectionReceiver> port;
  kj::String ownUrl;
  Service service;
  Shaping shaping;
};

}  // namespace

kj::Promise<kj::Own<LocalCloud>> startLocalCloud(kj::AsyncIoContext& io, kj::StringPtr address,
                                                 kj::StringPtr dir, kj::String apiKey, Shaping shaping) {
  parseListenAddress(address);  // before anything is made
  auto keptAddress = kj::heapString(address);
  auto keptDir = kj::heapString(dir);
  RecordStore made(kj::str(dir, "/sandboxes"));  // makes the parent, too
  auto boxes = co_await newBoxes(io, kj::str(keptDir, "/boxes"));
  co_return co_await startLocalCloud(io, kj::mv(boxes), keptAddress, keptDir, kj::mv(apiKey), kj::mv(shaping));
}

kj::Promise<kj::Own<LocalCloud>> startLocalCloud(kj::AsyncIoContext& io, kj::Own<Boxes> boxes,
                                                 kj::StringPtr address, kj::StringPtr dir, kj::String apiKey,
                                                 Shaping shaping) {
  auto listen = parseListenAddress(address);
  auto keptDir = kj::heapString(dir);
  // 127.0.0.1 under both names: what "localhost" is elsewhere differs.
  auto resolved = co_await io.provider->getNetwork().parseAddress(kj::str("127.0.0.1:", listen.port));
  auto port = resolved->listen();
  auto url = kj::str("http://", listen.host, ':', port->getPort());
  auto cloud = kj::heap<LocalCloudImpl>(kj::mv(boxes), io.provider->getTimer(), kj::mv(port), kj::mv(keptDir),
                                        kj::mv(url), kj::mv(apiKey), kj::mv(shaping));
  // Connections wait in the backlog until run().
  co_await cloud->adopt();
  co_return kj::Own<LocalCloud>(kj::mv(cloud));
}

}  // namespace sandbridge::localcloud
