#pragma once
// Which headers a proxy passes on.

#include <kj/compat/http.h>

#include <initializer_list>

namespace sandbridge {

// Whether `name` is one of these, whatever their case.
bool isOneOf(kj::StringPtr name, std::initializer_list<const char*> names);

// Those that concern one connection, not the message: KJ writes its own, and nobody could answer an Expect in the middle.
bool isHopByHop(kj::StringPtr name);

// Whether the Connection header names it as one of those.
bool isNamedIn(kj::Maybe<kj::StringPtr> connection, kj::StringPtr name);

// What goes back to the client of an answer. `keepLength`: of one to a HEAD, which has the length of what it stands for.
kj::HttpHeaders responseHeaders(const kj::HttpHeaderTable& table, const kj::HttpHeaders& from, bool keepLength);

}  // namespace sandbridge
