#pragma once
// SandboxRpcApi (schema/sandbox-rpc.capnp) over sandbox/ and tools/.

#include "sandbox/sessions.h"
#include "schema/sandbox-rpc.capnp.h"
#include "tools/toolbox.h"

#include <kj/function.h>
#include <kj/refcount.h>

namespace sandbridge {

// The tools of the session with that root id.
using ToolboxFactory = kj::Function<kj::Own<Toolbox>(kj::StringPtr rootId, Workspace& workspace)>;

// Makes the bootstrap capabilities of a bridge.
class RpcApi {
 public:
  struct Options {
    kj::String version;
    api::ServerInfo::Backend backend = api::ServerInfo::Backend::LOCAL;
    kj::String workspace = kj::str("/workspace");  // in every sandbox, for those who have no session yet
  };

  virtual ~RpcApi() noexcept(false) {}

  // The bootstrap capability of one more connection, with limits of its own.
  virtual api::SandboxRpcApi::Client newConnection() = 0;
};

// `sessions` must outlive the result and every capability that came from it.
kj::Own<RpcApi> newRpcApi(Sessions& sessions, ToolboxFactory makeToolbox, RpcApi::Options options);

}  // namespace sandbridge
