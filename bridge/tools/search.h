#pragma once
// What glob and grep share: shell functions for scripts that search, and what these print.

#include "tools/questions.h"

#include <vector>

namespace sandbridge {

// `newest` reads names that end in NUL, and prints those of the 101 newest files the same way,
// newest first, equal times by name. `with_rg` tells whether there is ripgrep.
extern const kj::StringPtr SEARCH_FUNCTIONS;

// Splits at NUL; leaves out a last part without one.
std::vector<std::string_view> splitNul(std::string_view text);

// What a script printed of PLACE_FUNCTION's `place`, with a NUL behind it, before its answer; nothing if it printed none. Takes it
// off `output`.
std::string takePlace(std::string_view& output);

// The directory's path joined with a name as "./a/b".
std::string found(std::string_view dir, std::string_view name);

// Arguments of a search, refused if no program could take them: a NUL, or far too long.
constexpr size_t PATTERN_BYTES = 32u << 10;

}  // namespace sandbridge
