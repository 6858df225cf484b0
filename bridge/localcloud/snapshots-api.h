#pragma once
// `/snapshots`, `/sandboxes/ID/snapshot` and `/sandboxes/ID/copy`.
//
// Both keep files, not memory: a sandbox that is restored or copied boots cold. A memory snapshot is refused with 400.

#include "localcloud/api-call.h"
#include "localcloud/snapshots.h"

namespace sandbridge::localcloud {

class SnapshotsApi {
 public:
  // `url` is what clients reach us by. All must outlive this.
  SnapshotsApi(Registry& registry, Snapshots& snapshots, kj::StringPtr url)
      : registry(registry), snapshots(snapshots), url(url) {}

  kj::Promise<void> serve(ApiCall call);
  // The path is ID/snapshot or ID/copy.
  kj::Promise<void> serveBelowSandbox(ApiCall call);

 private:
  Registry& registry;
  Snapshots& snapshots;
  kj::StringPtr url;

  kj::Promise<void> take(ApiCall call, kj::Own<Sandbox> sandbox);
  kj::Promise<void> copy(ApiCall call, kj::Own<Sandbox> sandbox);
};

}  // namespace sandbridge::localcloud
