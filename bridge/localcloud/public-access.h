#pragma once
// Which ports of a sandbox are reached from outside (ingress.h), as the API says it: `exposed_ports` and
// `allow_unauthenticated_access` of create and update.

#include "base/json.h"
#include "localcloud/http-reply.h"

#include <kj/array.h>
#include <kj/one-of.h>

namespace sandbridge::localcloud {

// The management daemon: always reachable, always with the token, never in a list.
constexpr uint16_t MANAGEMENT_PORT = 9501;

struct PublicAccessChange {
  // None: stays as it is.
  kj::Maybe<kj::Array<uint16_t>> ports;
  kj::Maybe<bool> unauthenticated;

  bool isEmpty() const { return ports == nullptr && unauthenticated == nullptr; }
};

struct PublicAccess {
  kj::Array<uint16_t> ports;    // in order, each once
  bool unauthenticated = false;  // requests to `ports` need no token

  bool exposes(uint16_t port) const;
  PublicAccess with(const PublicAccessChange& change) const;
  // Whether everything that `other` lets in is let in here.
  bool includes(const PublicAccess& other) const;
};

// The two fields of the body of a create or an update. The list of ports replaces the whole list.
kj::OneOf<PublicAccessChange, Refusal> parsePublicAccess(const JsonValue& json);

// The two fields, into an open object.
void writePublicAccess(JsonWriter& json, const PublicAccess& access);

}  // namespace sandbridge::localcloud
