#pragma once
// The order in which OpenCode lists a directory: JavaScript's localeCompare, that is Unicode's root
// collation.

#include "tools/text.h"

namespace sandbridge {

// Less than, by what people see: first the letters, then accents, then lower case before upper.
// Exact for ASCII and Latin letters; other scripts follow by code point.
bool collatesBefore(TextView a, TextView b);

}  // namespace sandbridge
