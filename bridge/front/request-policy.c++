#include "front/request-policy.h"

#include <string.h>
#include <strings.h>

#include <kj/encoding.h>
#include <kj/vector.h>

namespace sandbridge {
namespace {

kj::Maybe<kj::StringPtr> find(const kj::HttpHeaders& headers, const char* wanted) {
  kj::Maybe<kj::StringPtr> result;
  headers.forEach([&](kj::StringPtr name, kj::StringPtr value) {
    if (strcasecmp(name.cStr(), wanted) == 0) result = value;
  });
  return result;
}

// "host", "host:port" or "[v6]:port".
bool isLoopback(kj::StringPtr authority) {
  kj::String host;
  if (authority.startsWith("[")) {
    host = kj::heapString(authority.slice(0, authority.findFirst(']').orDefault(authority.size())));
    return host == "[::1";
  }
  host = kj::heapString(authority.slice(0, authority.findFirst(':').orDefault(authority.size())));
  if (strcasecmp(host.cStr(), "localhost") == 0) return true;
  if (!host.startsWith("127.")) return false;
  // Not "127.evil.example".
  for (char c : host) {
    if (c != '.' && (c < '0' || c > '9')) return false;
  }
  return true;
}

bool isLoopbackOrigin(kj::StringPtr origin) {
  auto at = strstr(origin.cStr(), "://");
  return at != nullptr && isLoopback(at + 3);
}

// Targets that another parser could read as another path: absolute ones, dot segments, fragments, control characters.
bool isAmbiguous(kj::StringPtr url, kj::StringPtr path) {
  if (!url.startsWith("/") || url.findFirst('#') != nullptr) return true;
  for (char c : path) {
    if (static_cast<kj::byte>(c) < 0x20 || c == 0x7f) return true;
  }
  auto around = kj::str(path, "/");
  return strstr(around.cStr(), "/./") != nullptr || strstr(around.cStr(), "/../") != nullptr;
}

// What clients of OpenCode 1.18 change. All else is closed, for there is more than terminals and configuration: sessions below
// /api are another core's, whose tools are not the plugin's and act on this machine; projects and worktrees run git and the
// project's start command; a later version may bring more.
bool mayChange(kj::StringPtr path) {
  static constexpr kj::StringPtr OPEN[] = {
      "/session"_kj, "/permission"_kj, "/question"_kj, "/tui"_kj, "/log"_kj,
      "/auth"_kj, "/provider"_kj, "/instance/dispose"_kj};
  for (auto folder : OPEN) {
    if (isBelow(path, folder)) return true;
  }
  return false;
}

constexpr kj::StringPtr TEXT = "text/plain; charset=utf-8"_kj;
constexpr kj::StringPtr JSON = "application/json"_kj;

}  // namespace

kj::String pathOf(kj::StringPtr url) {
  auto encoded = kj::heapString(url.slice(0, url.findFirst('?').orDefault(url.size())));
  auto decoded = kj::str(kj::decodeUriComponent(encoded.asArray()));
  kj::Vector<char> path;
  for (char c : decoded) {
    if (c == '\\') c = '/';
    if (c == '/' && path.size() > 0 && path.back() == '/') continue;
    path.add(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
  }
  while (path.size() > 1 && path.back() == '/') path.removeLast();
  return kj::heapString(path.begin(), path.size());
}

bool isBelow(kj::StringPtr path, kj::StringPtr folder) {
  return path.startsWith(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

kj::Maybe<kj::String> refuse(const kj::HttpHeaders& headers, bool anyHost) {
  KJ_IF_MAYBE (origin, find(headers, "Origin")) {
    if (!isLoopbackOrigin(*origin)) {
      return kj::str("Requests from web pages of elsewhere are refused.\n");
    }
  }
  KJ_IF_MAYBE (site, find(headers, "Sec-Fetch-Site")) {
    if (strcasecmp(site->cStr(), "cross-site") == 0) {
      return kj::str("Requests from web pages of elsewhere are refused.\n");
    }
  }
  if (!anyHost) {
    KJ_IF_MAYBE (host, headers.get(kj::HttpHeaderId::HOST)) {
      if (isLoopback(*host)) return nullptr;
    }
    return kj::str("This server is known as 127.0.0.1 or localhost only.\n");
  }
  return nullptr;
}

kj::Maybe<Answer> answerInstead(kj::HttpMethod method, kj::StringPtr url) {
  auto path = pathOf(url);
  if (isAmbiguous(url, path)) {
    return Answer{400, "Bad Request"_kj, TEXT, "The path of the request is ambiguous.\n"_kj};
  }
  if (isBelow(path, "/pty") || isBelow(path, "/api/pty")) {
    return Answer{403, "Forbidden"_kj, TEXT,
                  "Terminals on the bridge's machine are not available; the work is in the sandbox.\n"_kj};
  }
  bool reads = method == kj::HttpMethod::GET || method == kj::HttpMethod::HEAD ||
               method == kj::HttpMethod::OPTIONS;
  if (!reads && !mayChange(path)) {
    return Answer{403, "Forbidden"_kj, TEXT,
                  "Of OpenCode's interface, what can act on the bridge's machine is closed.\n"_kj};
  }
  // Its file browser would show the bridge's machine, and so would git, which finds a repository in a folder above. To clients
  // the place looks as empty as it is.
  if (isBelow(path, "/file/content") || isBelow(path, "/api/fs") || isBelow(path, "/vcs/apply")) {
    return Answer{404, "Not Found"_kj, TEXT, "The files are in the sandbox.\n"_kj};
  }
  if (path == "/vcs") {
    return Answer{200, "OK"_kj, JSON, R"({"branch":null,"default_branch":null})"_kj};
  }
  if (path == "/vcs/diff/raw") return Answer{200, "OK"_kj, "text/x-diff; charset=utf-8"_kj, ""_kj};
  if (isBelow(path, "/find") || isBelow(path, "/file") || isBelow(path, "/vcs")) {
    return Answer{200, "OK"_kj, JSON, "[]"_kj};
  }
  return nullptr;
}

kj::String withoutDirectory(kj::StringPtr url) {
  KJ_IF_MAYBE (question, url.findFirst('?')) {
    kj::Vector<kj::String> kept;
    auto rest = url.slice(*question + 1);
    for (;;) {
      auto end = rest.findFirst('&');
      auto parameter = kj::heapString(rest.slice(0, end.orDefault(rest.size())));
      auto name = kj::heapString(
          parameter.slice(0, parameter.findFirst('=').orDefault(parameter.size())));
      auto decoded = kj::str(kj::decodeUriComponent(name.asArray()));
      if (decoded != "directory" && decoded != "location[directory]" && parameter.size() > 0) {
        kept.add(kj::mv(parameter));
      }
      KJ_IF_MAYBE (e, end) {
        rest = rest.slice(*e + 1);
      } else {
        break;
      }
    }
    auto path = url.slice(0, *question);
    if (kept.size() == 0) return kj::heapString(path);
    return kj::str(path, "?", kj::strArray(kept, "&"));
  }
  return kj::str(url);
}

}  // namespace sandbridge
