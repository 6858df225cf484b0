#include "front/redaction.h"

#include "base/json.h"
#include "front/request-policy.h"

#include <strings.h>

namespace sandbridge {
namespace {

bool isOneOf(kj::StringPtr name, std::initializer_list<const char*> names) {
  for (auto each : names) {
    if (strcasecmp(name.cStr(), each) == 0) return true;
  }
  return false;
}

// Recursion is bounded by the parser's depth limit.
void hide(JsonValue& value, bool all) {
  if (value.IsArray()) {
    for (auto& element : value.GetArray()) hide(element, all);
  } else if (value.IsObject()) {
    for (auto& member : value.GetObject()) {
      auto name = stringOf(member.name);
      hide(member.value, all || isOneOf(name, {"environment", "headers", "apiKey", "key", "token", "secret", "password",
                                               "authorization", "accessToken", "refreshToken", "access", "refresh",
                                               "clientSecret", "secretAccessKey", "sessionToken"}));
    }
  } else if (value.IsString() && all) {
    value.SetString("hidden");
  }
}

}  // namespace

bool mayShowKeys(kj::StringPtr url) {
  auto path = pathOf(url);
  for (auto folder : {"/config"_kj, "/global/config"_kj, "/provider"_kj, "/auth"_kj, "/mcp"_kj, "/api"_kj}) {
    if (isBelow(path, folder)) return true;
  }
  return false;
}

kj::String withoutKeys(kj::ArrayPtr<const char> json) {
  auto document = parseJson(json);
  hide(document, false);
  return toJson(document);
}

}  // namespace sandbridge
