#pragma once
// A server that speaks TensorLake's HTTP API on this machine and isolates with Linux namespaces: control plane
// under `/v1/namespaces/{ns}/` and flat, data plane under `/api/v1/` by `Host: {id or name}.local`.

#include "localcloud/faults.h"

#include <kj/async-io.h>
#include <kj/string.h>

namespace sandbridge::localcloud {

class LocalCloud {
 public:
  virtual ~LocalCloud() noexcept(false) {}

  // For TENSORLAKE_API_URL: "http://127.0.0.1:PORT".
  virtual kj::StringPtr url() = 0;

  // Rejects when the server cannot go on; never resolves.
  virtual kj::Promise<void> run() = 0;
};

// Opens the state under `dir`, adopts what runs, and listens on `address` ("127.0.0.1:0" for any port; only loopback is
// accepted). Requests need `Authorization: Bearer <apiKey>`; with an empty key none is needed. Dropping it stops the
// server and leaves the sandboxes running. `shaping` is done to every request.
kj::Promise<kj::Own<LocalCloud>> startLocalCloud(kj::AsyncIoContext& io, kj::StringPtr address,
                                                 kj::StringPtr dir, kj::String apiKey, Shaping shaping = {});

class Boxes;

// The same over other boxes than this machine's; for tests. `dir` holds the records only.
kj::Promise<kj::Own<LocalCloud>> startLocalCloud(kj::AsyncIoContext& io, kj::Own<Boxes> boxes,
                                                 kj::StringPtr address, kj::StringPtr dir, kj::String apiKey,
                                                 Shaping shaping = {});

}  // namespace sandbridge::localcloud
