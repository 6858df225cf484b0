#include "localcloud/query.h"

#include <string.h>

#include <kj/encoding.h>

namespace sandbridge::localcloud {

kj::Maybe<kj::Vector<QueryParameter>> parseQuery(kj::StringPtr query) {
  kj::Vector<QueryParameter> result;
  while (query.size() > 0) {
    size_t end = query.findFirst('&').orDefault(query.size());
    auto part = query.slice(0, end);
    query = end == query.size() ? ""_kj : query.slice(end + 1);
    if (part.size() == 0) continue;

    auto equals = static_cast<const char*>(memchr(part.begin(), '=', part.size()));
    size_t nameEnd = equals == nullptr ? part.size() : equals - part.begin();
    auto name = kj::decodeWwwForm(part.slice(0, nameEnd));
    auto value = kj::decodeWwwForm(part.slice(kj::min(nameEnd + 1, part.size()), part.size()));
    if (name.hadErrors || value.hadErrors) return nullptr;
    result.add(QueryParameter{kj::mv(name), kj::mv(value)});
  }
  return kj::mv(result);
}

kj::Maybe<kj::String> decodeToken(kj::StringPtr token) {
  auto standard = kj::heapString(token);
  for (char& c: standard) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  auto bytes = kj::decodeBase64(standard);
  if (bytes.hadErrors || bytes.size() == 0) return nullptr;
  return kj::heapString(bytes.asChars());
}

}  // namespace sandbridge::localcloud
