#include "tensorlake/config.h"

#include "base/error.h"

#include <stdlib.h>

namespace sandbridge::tensorlake {

namespace {

constexpr kj::StringPtr API_PREFIX = "api."_kj;

kj::String checkedHeaderValue(kj::StringPtr name, kj::StringPtr value) {
  for (char c : value) {
    if (static_cast<kj::byte>(c) <= ' ' || c == '\x7f') {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 kj::str(name, " holds a space, a line break or a control character."));
    }
  }
  return kj::heapString(value);
}

double number(kj::StringPtr name, kj::StringPtr value, double least, double most) {
  char* end = nullptr;
  double result = strtod(value.cStr(), &end);
  if (value.size() == 0 || *end != '\0' || !(result >= least && result <= most)) {
    throwError(ErrorKind::INVALID_ARGUMENT,
               kj::str(name, " must be a number from ", least, " to ", most, "."));
  }
  return result;
}

}  // namespace

UrlParts parseUrl(kj::StringPtr url) {
  auto fail = [](kj::StringPtr why) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str("not a usable http or https URL: ", why, "."));
  };
  UrlParts parts;
  kj::StringPtr rest;
  if (url.startsWith("https://")) {
    parts.scheme = kj::str("https");
    rest = url.slice(8);
  } else if (url.startsWith("http://")) {
    parts.scheme = kj::str("http");
    rest = url.slice(7);
  } else {
    fail("it must begin with http:// or https://");
  }
  for (char c : rest) {
    if (static_cast<kj::byte>(c) <= ' ' || c == '\x7f' || c == '\\')
      fail("it holds a space or a control character");
    if (c == '?' || c == '#') fail("it must not have a query");
  }
  size_t slash = 0;
  while (slash < rest.size() && rest[slash] != '/') ++slash;
  auto authority = rest.slice(0, slash);
  for (char c : authority) {
    if (c == '@') fail("it must not hold a user name");
  }
  size_t colon = authority.size();
  size_t searchFrom = 0;
  if (authority.size() > 0 && authority[0] == '[') {
    while (searchFrom < authority.size() && authority[searchFrom] != ']') ++searchFrom;
    if (searchFrom == authority.size()) fail("its address has no closing bracket");
  }
  for (size_t i = searchFrom; i < authority.size(); ++i) {
    if (authority[i] == ':') {
      colon = i;
      break;
    }
  }
  parts.host = kj::str(authority.slice(0, colon));
  for (char& c : parts.host) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  if (parts.host.size() == 0) fail("it has no host");
  if (colon < authority.size()) {
    auto port = authority.slice(colon + 1, authority.size());
    if (port.size() == 0 || port.size() > 5) fail("its port is not a number");
    for (char c : port) {
      if (c < '0' || c > '9') fail("its port is not a number");
    }
    parts.port = kj::str(":", port);
  }
  auto path = rest.slice(slash, rest.size());
  while (path.size() > 0 && path.back() == '/') path = path.slice(0, path.size() - 1);
  parts.path = kj::str(path);
  return parts;
}

bool isLocalhost(kj::StringPtr host) {
  return host == "localhost" || host == "127.0.0.1";
}

bool isLoopback(kj::StringPtr host) {
  if (host == "localhost" || host == "[::1]") return true;
  // Not a name that only begins like an address of 127.0.0.0/8.
  if (!host.startsWith("127.")) return false;
  for (char c : host) {
    if (c != '.' && (c < '0' || c > '9')) return false;
  }
  return true;
}

bool mayHaveKey(const Config& config, const UrlParts& url) {
  if (config.sandboxProxyUrl.size() > 0) {
    auto proxy = parseUrl(config.sandboxProxyUrl);
    if (url.scheme == proxy.scheme && url.host == proxy.host && url.port == proxy.port) return true;
  }
  auto api = parseUrl(config.apiUrl);
  if (isLoopback(api.host)) return isLoopback(url.host);
  if (url.scheme != "https" || !api.host.startsWith(API_PREFIX)) return false;
  auto domain = api.host.slice(API_PREFIX.size());
  return url.host == domain || url.host.endsWith(kj::str(".", domain));
}

kj::String lifecycleUrl(const Config& config) {
  auto url = parseUrl(config.apiUrl);
  if (isLocalhost(url.host)) {
    return kj::str(url.scheme, "://", url.host, url.port, url.path, "/v1/namespaces/",
                   config.space);
  }
  if (url.host.startsWith(API_PREFIX)) {
    if (url.scheme != "https") {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 kj::str("TENSORLAKE_API_URL must begin with https://; the key is not sent to ",
                         url.host, " without encryption."));
    }
    return kj::str(url.scheme, "://sandbox.", url.host.slice(API_PREFIX.size()), url.port);
  }
  throwError(ErrorKind::INVALID_ARGUMENT, kj::str("TENSORLAKE_API_URL has the host ", url.host,
                                                  ", which is neither api.SOMETHING nor localhost "
                                                  "nor 127.0.0.1, so where its sandboxes are is "
                                                  "not known, and the key is sent nowhere."));
}

Config configFromEnvironment(EnvironmentLookup lookup) {
  Config config;
  auto text = [&](kj::StringPtr name) -> kj::Maybe<kj::String> {
    KJ_IF_MAYBE (value, lookup(name)) {
      if (value->size() > 0) return checkedHeaderValue(name, *value);
    }
    return nullptr;
  };
  KJ_IF_MAYBE (v, text("TENSORLAKE_API_KEY")) {
    config.apiKey = kj::mv(*v);
  } else KJ_IF_MAYBE (v, text("TENSORLAKE_PAT")) {
    config.apiKey = kj::mv(*v);
  }
  KJ_IF_MAYBE (v, text("TENSORLAKE_API_URL")) config.apiUrl = kj::mv(*v);
  KJ_IF_MAYBE (v, text("TENSORLAKE_SANDBOX_PROXY_URL")) config.sandboxProxyUrl = kj::mv(*v);
  KJ_IF_MAYBE (v, text("TENSORLAKE_ORGANIZATION_ID")) config.organizationId = kj::mv(*v);
  KJ_IF_MAYBE (v, text("TENSORLAKE_PROJECT_ID")) config.projectId = kj::mv(*v);
  KJ_IF_MAYBE (v, text("TENSORLAKE_IMAGE")) config.image = kj::mv(*v);
  KJ_IF_MAYBE (v, text("INDEXIFY_NAMESPACE")) {
    for (char c : *v) {
      bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
      if (!safe)
        throwError(ErrorKind::INVALID_ARGUMENT,
                   "INDEXIFY_NAMESPACE may hold letters, digits, - and _ only.");
    }
    config.space = kj::mv(*v);
  }
  KJ_IF_MAYBE (v, text("TENSORLAKE_CPUS")) config.cpus = number("TENSORLAKE_CPUS", *v, 0.1, 1024);
  KJ_IF_MAYBE (v, text("TENSORLAKE_MEMORY_MB")) {
    config.memoryMb = static_cast<uint32_t>(number("TENSORLAKE_MEMORY_MB", *v, 1, 1u << 24));
  }
  KJ_IF_MAYBE (v, text("TENSORLAKE_DISK_MB")) {
    config.diskMb = static_cast<uint32_t>(number("TENSORLAKE_DISK_MB", *v, 1, 1u << 24));
  }
  lifecycleUrl(config);
  if (config.sandboxProxyUrl.size() > 0) {
    auto url = parseUrl(config.sandboxProxyUrl);
    if (url.scheme != "https" && !isLoopback(url.host)) {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 "TENSORLAKE_SANDBOX_PROXY_URL must begin with https:// unless it is on loopback.");
    }
  }
  return config;
}

Config configFromEnvironment() {
  return configFromEnvironment([](kj::StringPtr name) -> kj::Maybe<kj::StringPtr> {
    const char* value = getenv(name.cStr());
    if (value == nullptr) return nullptr;
    return kj::StringPtr(value);
  });
}

}  // namespace sandbridge::tensorlake
