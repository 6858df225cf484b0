#include "localcloud/network-policy.h"

namespace sandbridge::localcloud {

namespace {

constexpr size_t MAX_ENTRIES = 256;
constexpr size_t MAX_HOST_NAME = 253;  // DNS
constexpr size_t MAX_LABEL = 63;

Refusal invalid(kj::String text) { return {400, "INVALID_REQUEST"_kj, kj::mv(text)}; }

// Labels of letters, digits, hyphens and underscores. The last one has a letter, so that no misspelt address is one.
bool isHostName(kj::StringPtr text) {
  if (text.size() == 0 || text.size() > MAX_HOST_NAME) return false;
  size_t label = 0;
  bool hasLetter = false;
  for (char c: text) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      hasLetter = false;
      continue;
    }
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_') return false;
    hasLetter = hasLetter || letter;
    if (++label > MAX_LABEL) return false;
  }
  return label > 0 && hasLetter;
}

kj::Maybe<Refusal> readList(const JsonValue& json, kj::StringPtr key, kj::Array<kj::String>& list) {
  KJ_IF_MAYBE(value, getMember(json, key)) {
    if (!value->IsArray() || value->Size() > MAX_ENTRIES) {
      return invalid(kj::str("network.", key, " must be an array of at most ", MAX_ENTRIES, " strings"));
    }
    kj::Vector<kj::String> entries;
    for (auto& entry: value->GetArray()) {
      auto text = entry.IsString() ? stringOf(entry) : ""_kj;
      if (parseAddressRange(text) == nullptr || text.findFirst('-') != nullptr) {
        if (!isHostName(text)) {
          return invalid(kj::str("network.", key, " takes IPv4 addresses, CIDRs such as 10.0.0.0/8, and host names, not ",
                                 quote(toJson(entry))));
        }
      }
      entries.add(kj::heapString(text));
    }
    list = entries.releaseAsArray();
  }
  return nullptr;
}

constexpr AddressRange cidr(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t bits) {
  uint32_t first = a << 24 | b << 16 | c << 8 | d;
  return {first, first | ~0u >> bits};
}

constexpr AddressRange EVERYTHING = {0, UINT32_MAX};

// Closed whatever is allowed: what reaches no other machine, or one that nobody may name.
constexpr AddressRange NEVER[] = {
    cidr(0, 0, 0, 0, 8),        // this network
    cidr(127, 0, 0, 0, 8),      // loopback
    cidr(169, 254, 0, 0, 16),   // link-local, with the credentials that clouds hand out
    cidr(10, 0, 2, 0, 24),      // between the sandbox and slirp4netns
    cidr(224, 0, 0, 0, 3),      // multicast, reserved, broadcast
};

// Closed unless they are named.
constexpr AddressRange PRIVATE[] = {
    cidr(10, 0, 0, 0, 8),     cidr(172, 16, 0, 0, 12), cidr(192, 168, 0, 0, 16),
    cidr(100, 64, 0, 0, 10),  // behind a provider's or an overlay network's translation
    cidr(192, 0, 0, 0, 24),   // protocol assignments
    cidr(198, 18, 0, 0, 15),  // benchmarks
};

kj::Array<AddressRange> rangesOf(const kj::Array<kj::String>& list) {
  kj::Vector<AddressRange> result;
  for (auto& entry: list) {
    KJ_IF_MAYBE(range, parseAddressRange(entry)) result.add(*range);
  }
  return result.releaseAsArray();
}

}  // namespace

NetworkPolicy NetworkPolicy::clone() const {
  auto copy = [](auto& list) { return KJ_MAP(entry, list) { return kj::heapString(entry); }; };
  return {internet, copy(allowOut), copy(denyOut)};
}

kj::OneOf<NetworkPolicy, Refusal> parseNetworkPolicy(const JsonValue& json) {
  if (!json.IsObject()) return invalid(kj::str("network must be an object"));
  NetworkPolicy policy;
  KJ_IF_MAYBE(allow, getMember(json, "allow_internet_access")) {
    if (!allow->IsBool()) return invalid(kj::str("network.allow_internet_access must be true or false"));
    policy.internet = allow->GetBool();
  }
  KJ_IF_MAYBE(r, readList(json, "allow_out", policy.allowOut)) return kj::mv(*r);
  KJ_IF_MAYBE(r, readList(json, "deny_out", policy.denyOut)) return kj::mv(*r);
  return kj::mv(policy);
}

kj::Maybe<Refusal> refuseNetworkPolicy(const NetworkPolicy& policy) {
  auto refuse = [](kj::String text) {
    return Refusal{501, "NETWORK_POLICY_NOT_ENFORCED"_kj, kj::mv(text)};
  };
  for (auto list: {&policy.allowOut, &policy.denyOut}) {
    for (auto& entry: *list) {
      if (parseAddressRange(entry) == nullptr) {
        return refuse(kj::str("local sandboxes cannot enforce lists with host names: give the addresses of ", quote(entry)));
      }
    }
  }
  for (auto& range: rangesOf(policy.allowOut)) {
    for (auto& closed: NEVER) {
      if (range.isWithin(closed)) {
        return refuse(kj::str("local sandboxes never reach ", toText(range),
                              ": loopback, link-local, multicast and their own network 10.0.2.0/24 are closed"));
      }
    }
  }
  return nullptr;
}

kj::Array<AddressRange> reachableUnder(const NetworkPolicy& policy, kj::ArrayPtr<const AddressRange> own) {
  if (!policy.internet) return nullptr;
  auto allowed = rangesOf(policy.allowOut);
  kj::Vector<AddressRange> closed;
  closed.addAll(rangesOf(policy.denyOut));
  closed.addAll(kj::arrayPtr(NEVER, kj::size(NEVER)));
  auto closeUnlessNamed = [&](const AddressRange& range) {
    kj::Vector<AddressRange> named;
    for (auto& entry: allowed) {
      if (entry.isWithin(range)) named.add(entry);
    }
    closed.addAll(without(kj::arrayPtr(&range, 1), named));
  };
  for (auto& range: PRIVATE) closeUnlessNamed(range);
  for (auto& range: own) closeUnlessNamed(range);
  if (allowed.size() == 0) return without(kj::arrayPtr(&EVERYTHING, 1), closed);
  return without(allowed, closed);
}

void writeNetworkPolicy(JsonWriter& json, const NetworkPolicy& policy) {
  auto list = [&](kj::StringPtr key, auto& entries) {
    json.key(key).beginArray();
    for (auto& entry: entries) json.value(entry);
    json.endArray();
  };
  json.beginObject().field("allow_internet_access", policy.internet);
  list("allow_out", policy.allowOut);
  list("deny_out", policy.denyOut);
  json.endObject();
}

}  // namespace sandbridge::localcloud
