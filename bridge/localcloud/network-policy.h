#pragma once
// What a sandbox (or a pool's sandboxes) may reach, as the API says it: the object `network` of create, update and pools.
// How it is enforced: box-network.h.

#include "base/json.h"
#include "localcloud/http-reply.h"

#include <kj/array.h>
#include <kj/one-of.h>
#include <kj/string.h>

namespace sandbridge::localcloud {

struct NetworkPolicy {
  // False: nothing is reached, not even name servers, whatever the lists say.
  bool internet = true;
  // Unless empty: nothing else is reached but name servers. IPv4 addresses, CIDRs and host names, as they were given.
  kj::Array<kj::String> allowOut;
  // Never reached; wins over `allowOut`.
  kj::Array<kj::String> denyOut;

  bool hasLists() const { return allowOut.size() > 0 || denyOut.size() > 0; }
  NetworkPolicy clone() const;
};

// `json`: the value of `network`, not null. Absent fields have their defaults.
kj::OneOf<NetworkPolicy, Refusal> parseNetworkPolicy(const JsonValue& json);

// As the object that parseNetworkPolicy() reads.
void writeNetworkPolicy(JsonWriter& json, const NetworkPolicy& policy);

}  // namespace sandbridge::localcloud
