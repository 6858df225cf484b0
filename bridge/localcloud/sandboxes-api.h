#pragma once
// `/sandboxes`: create, list, get, update, delete, suspend, resume.

#include "localcloud/api-call.h"
#include "localcloud/registry.h"
#include "localcloud/snapshots.h"

namespace sandbridge::localcloud {

class SandboxesApi {
 public:
  // `url` is what clients reach us by. All must outlive this.
  SandboxesApi(Registry& registry, Snapshots& snapshots, kj::StringPtr url)
      : registry(registry), snapshots(snapshots), url(url) {}

  kj::Promise<void> serve(ApiCall call);

 private:
  Registry& registry;
  Snapshots& snapshots;
  kj::StringPtr url;

  kj::Promise<void> create(ApiCall call);
  kj::Promise<void> list(ApiCall call);
  kj::Promise<void> update(ApiCall call, kj::Own<Sandbox> sandbox);
  kj::Promise<void> remove(ApiCall call, kj::Own<Sandbox> sandbox);
  kj::Promise<void> suspend(ApiCall call, Sandbox& sandbox);
  kj::Promise<void> resume(ApiCall call, Sandbox& sandbox);
};

// When a call that creates must be answered: a little before its client gives up, or the client would never learn the id of
// what it has to delete.
kj::TimePoint startDeadline(const ApiCall& call, kj::Timer& timer);

// The answer of create, and of all that creates: once the sandbox has started, failed, or the deadline has passed (504).
// `confirm`: see formatCreated. `call` must outlive the promise.
kj::Promise<void> answerWhenStarted(ApiCall& call, Sandbox& sandbox, kj::Timer& timer, kj::TimePoint deadline,
                                    kj::StringPtr url, bool confirm = false);

// What every call gets that names a sandbox which is not there, or wants one more than there may be.
Refusal noSuchSandbox(kj::StringPtr idOrName);
Refusal tooManySandboxes();

}  // namespace sandbridge::localcloud
