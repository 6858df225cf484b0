#pragma once
// `/sandboxes`: create, list, get, update, delete, suspend, resume.

#include "localcloud/api-call.h"
#include "localcloud/registry.h"

namespace sandbridge::localcloud {

class SandboxesApi {
 public:
  // `url` is what clients reach us by. Both must outlive this.
  SandboxesApi(Registry& registry, kj::StringPtr url): registry(registry), url(url) {}

  kj::Promise<void> serve(ApiCall call);

 private:
  Registry& registry;
  kj::StringPtr url;

  kj::Promise<void> create(ApiCall call);
  kj::Promise<void> list(ApiCall call);
  kj::Promise<void> update(ApiCall call, kj::Own<Sandbox> sandbox);
  kj::Promise<void> remove(ApiCall call, kj::Own<Sandbox> sandbox);
  kj::Promise<void> suspend(ApiCall call, Sandbox& sandbox);
  kj::Promise<void> resume(ApiCall call, Sandbox& sandbox);
};

// What every call gets that names a sandbox which is not there.
Refusal noSuchSandbox(kj::StringPtr idOrName);

}  // namespace sandbridge::localcloud
