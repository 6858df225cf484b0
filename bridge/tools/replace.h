#pragma once
// How edit finds what it was told to replace: nine matchers, from exact to forgiving, in OpenCode's
// order.

#include "tools/text.h"

#include <kj/one-of.h>

namespace sandbridge {

// Thrown by the pure parts of the tools; its text is the answer that the model gets.
struct Refusal {
  kj::String text;
};

// What to replace in `content` so that `oldString` becomes `newString`, everywhere if `all`. Throws
// Refusal.
std::vector<Splice> findReplacements(TextView content, TextView oldString, TextView newString,
                                     bool all);

}  // namespace sandbridge
