#include "localcloud/public-access.h"

#include <algorithm>

namespace sandbridge::localcloud {

namespace {

constexpr size_t MAX_PORTS = 256;

Refusal invalid(kj::String text) { return {400, "INVALID_REQUEST"_kj, kj::mv(text)}; }

}  // namespace

bool PublicAccess::exposes(uint16_t port) const { return std::binary_search(ports.begin(), ports.end(), port); }

PublicAccess PublicAccess::with(const PublicAccessChange& change) const {
  kj::ArrayPtr<const uint16_t> list = ports;
  KJ_IF_MAYBE(replaced, change.ports) list = *replaced;
  return {kj::heapArray<uint16_t>(list), change.unauthenticated.orDefault(unauthenticated)};
}

bool PublicAccess::includes(const PublicAccess& other) const {
  return (unauthenticated || !other.unauthenticated) &&
         std::includes(ports.begin(), ports.end(), other.ports.begin(), other.ports.end());
}

kj::OneOf<PublicAccessChange, Refusal> parsePublicAccess(const JsonValue& json) {
  PublicAccessChange change;
  // The second is an older name of the first.
  for (auto key: {"allow_unauthenticated_access", "allow_unauthenticated_proxy_access"}) {
    KJ_IF_MAYBE(allow, getMember(json, key)) {
      if (!allow->IsBool()) return invalid(kj::str(key, " must be true or false"));
      change.unauthenticated = allow->GetBool();
      break;
    }
  }
  KJ_IF_MAYBE(list, getMember(json, "exposed_ports")) {
    if (!list->IsArray() || list->Size() > MAX_PORTS) {
      return invalid(kj::str("exposed_ports must be an array of at most ", MAX_PORTS, " ports"));
    }
    kj::Vector<uint16_t> ports;
    for (auto& port: list->GetArray()) {
      if (!port.IsUint() || port.GetUint() == 0 || port.GetUint() > UINT16_MAX) {
        return invalid(kj::str("exposed_ports holds whole numbers from 1 to 65535"));
      }
      if (port.GetUint() == MANAGEMENT_PORT) {
        return invalid(kj::str("port ", MANAGEMENT_PORT, " is the sandbox's own API: it cannot be exposed"));
      }
      ports.add(static_cast<uint16_t>(port.GetUint()));
    }
    std::sort(ports.begin(), ports.end());
    ports.resize(static_cast<size_t>(std::unique(ports.begin(), ports.end()) - ports.begin()));
    change.ports = ports.releaseAsArray();
  }
  return kj::mv(change);
}

void writePublicAccess(JsonWriter& json, const PublicAccess& access) {
  json.field("allow_unauthenticated_access", access.unauthenticated).key("exposed_ports").beginArray();
  for (auto port: access.ports) json.value(static_cast<unsigned>(port));
  json.endArray();
}

}  // namespace sandbridge::localcloud
