#include "localcloud/network-policy.h"

#include "localcloud/address-ranges.h"

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
