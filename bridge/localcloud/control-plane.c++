#include "localcloud/control-plane.h"

namespace sandbridge::localcloud {

namespace {

bool isNamespace(kj::StringPtr text) {
  if (text.size() == 0 || text.size() > 64) return false;
  for (char c: text) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
          c == '_')) {
      return false;
    }
  }
  return true;
}

kj::StringPtr partOf(const ApiCall& call, size_t i) {
  return i < call.path.size() ? call.path[i].asPtr() : ""_kj;
}

void skip(ApiCall& call, size_t count) {
  kj::Vector<kj::String> rest;
  for (auto& part: call.path.slice(count, call.path.size())) rest.add(kj::mv(part));
  call.path = kj::mv(rest);
}

}  // namespace

ControlPlane::ControlPlane(Registry& registry, Pools& pools, Snapshots& snapshots, SandboxLogs& logs,
                           kj::StringPtr url)
    : sandboxes(registry, snapshots, url), pools(registry, pools, url), snapshots(registry, snapshots, url),
      archive(registry, url), logs(registry, logs) {}

kj::Promise<void> ControlPlane::serve(ApiCall call) {
  // A trailing slash is the same place.
  if (call.path.size() > 1 && call.path.back().size() == 0) call.path.removeLast();

  if (partOf(call, 0) == "platform") {
    bool introspect = call.path.size() == 4 && partOf(call, 1) == "v1" && partOf(call, 2) == "keys" &&
                      partOf(call, 3) == "introspect";
    if (!introspect) return call.refusePath();
    if (call.method != kj::HttpMethod::POST) return call.refuseMethod();
    return call.reply(200, kj::str(R"({"id":"local","organizationId":"local","projectId":"local"})"));
  }

  call.ns = kj::str("default");
  if (partOf(call, 0) == "v1" && partOf(call, 1) == "namespaces") {
    call.ns = kj::heapString(partOf(call, 2));
    skip(call, kj::min(size_t(3), call.path.size()));
  }
  if (!isNamespace(call.ns)) {
    return call.refuse({400, "INVALID_REQUEST"_kj, kj::str("not a namespace: ", quote(call.ns))});
  }
  return serveResource(kj::mv(call));
}

kj::Promise<void> ControlPlane::serveResource(ApiCall call) {
  if (call.path.size() == 0) return call.refusePath();
  auto resource = kj::mv(call.path[0]);
  skip(call, 1);

  if (resource == "sandboxes") {
    // What lies below one sandbox may belong to another resource.
    auto below = partOf(call, 1);
    if (below == "snapshot" || below == "copy") return snapshots.serveBelowSandbox(kj::mv(call));
    if (below == "logs" || below == "processes") return logs.serve(kj::mv(call));
    return sandboxes.serve(kj::mv(call));
  }
  if (resource == "snapshots") return snapshots.serve(kj::mv(call));
  if (resource == "sandbox-pools") return pools.serve(kj::mv(call));
  if (resource == "archived-sandboxes") return archive.serve(kj::mv(call));
  return call.refusePath();
}

}  // namespace sandbridge::localcloud
