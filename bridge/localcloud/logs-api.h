#pragma once
// `/sandboxes/{id}/logs` and `/sandboxes/{id}/processes`: persisted logs, also of sandboxes that have ended.

#include "localcloud/api-call.h"
#include "localcloud/registry.h"
#include "localcloud/sandbox-logs.h"

namespace sandbridge::localcloud {

class LogsApi {
 public:
  // Both must outlive this.
  LogsApi(Registry& registry, SandboxLogs& logs): registry(registry), logs(logs) {}

  // `call.path`: the sandbox, then "logs" or "processes".
  kj::Promise<void> serve(ApiCall call);

 private:
  Registry& registry;
  SandboxLogs& logs;
};

}  // namespace sandbridge::localcloud
