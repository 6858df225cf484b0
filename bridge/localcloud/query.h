#pragma once
// Parameters behind the question mark of a path, and the tokens that are handed out for them.

#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

struct QueryParameter {
  kj::String name;
  kj::String value;
};

// In their order, decoded as forms are ("+" is a space). None: not well formed. `query` is without the question mark.
kj::Maybe<kj::Vector<QueryParameter>> parseQuery(kj::StringPtr query);

// What kj::encodeBase64Url made: a token that survives clients that do not encode it. None: something else, or empty.
kj::Maybe<kj::String> decodeToken(kj::StringPtr token);

}  // namespace sandbridge::localcloud
