#pragma once
// TensorLake's lifecycle API: which resource serves a call. Each resource has a file of its own; the parts that local
// sandboxes do not have are answered here, with 501.

#include "localcloud/api-call.h"
#include "localcloud/archive-api.h"
#include "localcloud/logs-api.h"
#include "localcloud/pools-api.h"
#include "localcloud/sandboxes-api.h"
#include "localcloud/snapshots-api.h"

namespace sandbridge::localcloud {

class ControlPlane {
 public:
  // `url` is what clients reach us by. All must outlive the control plane.
  ControlPlane(Registry& registry, Pools& pools, Snapshots& snapshots, SandboxLogs& logs,
               kj::StringPtr url);

  // The path of `call` is the whole one, from after the host; its namespace is not known yet.
  kj::Promise<void> serve(ApiCall call);

 private:
  SandboxesApi sandboxes;
  PoolsApi pools;
  SnapshotsApi snapshots;
  ArchiveApi archive;
  LogsApi logs;

  kj::Promise<void> serveResource(ApiCall call);
};

}  // namespace sandbridge::localcloud
