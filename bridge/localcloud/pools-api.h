#pragma once
// `/sandbox-pools`: create, list, get, replace, delete, claim.

#include "localcloud/api-call.h"
#include "localcloud/pools.h"

namespace sandbridge::localcloud {

class PoolsApi {
 public:
  // `url` is what clients reach us by. All three must outlive this.
  PoolsApi(Registry& registry, Pools& pools, kj::StringPtr url): registry(registry), pools(pools), url(url) {}

  kj::Promise<void> serve(ApiCall call);

 private:
  Registry& registry;
  Pools& pools;
  kj::StringPtr url;

  kj::Promise<void> create(ApiCall call);
  kj::Promise<void> list(ApiCall call);
  kj::Promise<void> update(ApiCall call, kj::Own<Pool> pool);
  kj::Promise<void> remove(ApiCall call, Pool& pool);
  kj::Promise<void> claim(ApiCall call, kj::Own<Pool> pool);
  kj::Promise<kj::OneOf<PoolRecord, Refusal>> readPool(ApiCall& call);
};

}  // namespace sandbridge::localcloud
