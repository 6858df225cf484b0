#pragma once
// The patch format of apply_patch: what a patch says, and what it makes of a file.

#include "tools/replace.h"  // Refusal
#include "tools/text.h"

#include <kj/common.h>

namespace sandbridge {

struct PatchChunk {
  Text context;  // what stands behind @@; empty: none
  std::vector<Text> oldLines;
  struct NewLine {
    Text text;
    kj::Maybe<size_t> oldIndex;  // for a context line: which of oldLines it is
  };
  std::vector<NewLine> newLines;
};

struct PatchSection {
  enum Kind { ADD, REMOVE, UPDATE } kind;
  Text path;
  Text content;                    // ADD
  kj::Maybe<Text> movePath;        // UPDATE
  std::vector<PatchChunk> chunks;  // UPDATE
};

// Throws Refusal.
std::vector<PatchSection> parsePatch(TextView patchText);

// What the chunks change in a file's text (without byte order mark). `path` is for the texts of the
// Refusal.
std::vector<Splice> applyChunks(TextView text, const std::vector<PatchChunk>& chunks,
                                kj::StringPtr path);

}  // namespace sandbridge
