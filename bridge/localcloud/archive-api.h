#pragma once
// `/archived-sandboxes`: the terminated ones, for as long as they are remembered.

#include "localcloud/api-call.h"
#include "localcloud/registry.h"

namespace sandbridge::localcloud {

class ArchiveApi {
 public:
  // `url` is what clients reach us by. Both must outlive this.
  ArchiveApi(Registry& registry, kj::StringPtr url): registry(registry), url(url) {}

  kj::Promise<void> serve(ApiCall call);

 private:
  Registry& registry;
  kj::StringPtr url;
};

}  // namespace sandbridge::localcloud
