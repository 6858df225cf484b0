#pragma once
// Included before everything else, by the compiler's command line. KJ 0.9.2 leaves these operators out under C++20, relying
// on rewritten comparisons; clang 16 follows the newer rule (P2468) that a class with its own operator!= takes no part in
// those, so capnp's own headers do not compile without them.

#ifdef __cplusplus
#include <kj/string.h>

namespace kj {
inline bool operator==(const char* a, const StringPtr& b) { return StringPtr(a).operator==(b); }
inline bool operator!=(const char* a, const StringPtr& b) { return !(StringPtr(a).operator==(b)); }
inline bool operator==(const char* a, const String& b) { return StringPtr(a).operator==(b); }
inline bool operator!=(const char* a, const String& b) { return !(StringPtr(a).operator==(b)); }
}  // namespace kj
#endif
