#pragma once
// The unified diff that OpenCode shows: npm `diff`'s createTwoFilesPatch with four context lines,
// its common indentation taken off.

#include "tools/text.h"

namespace sandbridge {

struct LineCounts {
  size_t additions = 0;
  size_t deletions = 0;
};

// The patch text, which begins with an Index line and ends with a newline.
Text createPatch(TextView path, TextView oldText, TextView newText);

// Lines added and removed.
LineCounts countChanges(TextView oldText, TextView newText);

// A patch for contents too large to compare.
Text createOversizePatch(TextView path, uint64_t oldSize);

}  // namespace sandbridge
