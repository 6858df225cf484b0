#include "net/proxy-headers.h"

#include <strings.h>

namespace sandbridge {

bool isOneOf(kj::StringPtr name, std::initializer_list<const char*> names) {
  for (auto n : names) {
    if (strcasecmp(name.cStr(), n) == 0) return true;
  }
  return false;
}

bool isHopByHop(kj::StringPtr name) {
  return isOneOf(name, {"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
                        "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
                        "Content-Length", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
                        "Sec-WebSocket-Accept", "Sec-WebSocket-Extensions"});
}

bool isNamedIn(kj::Maybe<kj::StringPtr> connection, kj::StringPtr name) {
  KJ_IF_MAYBE (list, connection) {
    size_t at = 0;
    while (at < list->size()) {
      while (at < list->size() && ((*list)[at] == ' ' || (*list)[at] == ',')) ++at;
      auto end = at;
      while (end < list->size() && (*list)[end] != ',' && (*list)[end] != ' ') ++end;
      if (end - at == name.size() &&
          strncasecmp(list->begin() + at, name.begin(), name.size()) == 0) {
        return true;
      }
      at = end;
    }
  }
  return false;
}

kj::HttpHeaders responseHeaders(const kj::HttpHeaderTable& table, const kj::HttpHeaders& from,
                                bool keepLength) {
  kj::HttpHeaders to(table);
  auto connection = from.get(kj::HttpHeaderId::CONNECTION);
  from.forEach([&](kj::StringPtr name, kj::StringPtr value) {
    bool length = keepLength && isOneOf(name, {"Content-Length"});
    if ((isHopByHop(name) && !length) || isNamedIn(connection, name)) return;
    to.add(kj::str(name), kj::str(value));
  });
  return to;
}

}  // namespace sandbridge
