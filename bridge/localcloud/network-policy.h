#pragma once
// What a sandbox (or a pool's sandboxes) may reach, as the API says it: the object `network` of create, update and pools.
// How it is enforced: box-network.h.

#include "base/json.h"
#include "localcloud/address-ranges.h"
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

// Why local sandboxes cannot do what the policy says, wherever they run: 501. None: they can.
kj::Maybe<Refusal> refuseNetworkPolicy(const NetworkPolicy& policy);

// The addresses that the policy lets a sandbox reach besides its name server; merged. Closed are private networks and `own`, the
// addresses of the machine, unless an entry of `allowOut` names them: that is, lies within one of them. So 0.0.0.0/0 is
// the internet and not the network around this machine. Loopback, link-local (where clouds hand out the machine's credentials),
// multicast and the sandbox's own network are always closed. `policy` must not be one that is refused.
kj::Array<AddressRange> reachableUnder(const NetworkPolicy& policy, kj::ArrayPtr<const AddressRange> own);

// As the object that parseNetworkPolicy() reads.
void writeNetworkPolicy(JsonWriter& json, const NetworkPolicy& policy);

}  // namespace sandbridge::localcloud
