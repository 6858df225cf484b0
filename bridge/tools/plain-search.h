#pragma once
// glob and grep in a sandbox that has no ripgrep: with find, git (for what is ignored) and grep.
// Less exact: .ignore files are not heeded, names with newlines are not found by grep, and regular
// expressions are Perl's where grep knows them, else POSIX'; a pattern that cannot be searched for
// is an error, never "no matches".

#include "tools/search.h"

namespace sandbridge {

// Shell function `plain_files DEEP`: lists ignored directories (with DEEP also files), an empty
// name, then "<mtime> <name>" of all files but those in .git; each ends in NUL.
extern const kj::StringPtr PLAIN_FILES;

// What glob lists from that, newest first.
std::vector<std::string> plainGlob(std::string_view output, std::string_view pattern);

// Shell function `plain_grep PATTERN POSIX_OK INCLUDE-NAMES...`: prints "B" and grep's complaint,
// or "M" and for each of the 101 newest files that match a NUL, its name, a NUL, and
// "<number>:<line>" for its lines.
extern const kj::StringPtr PLAIN_GREP;

// Whether a POSIX extended regular expression with this text means the same as ripgrep's.
bool isPosixRegex(std::string_view pattern);

struct PlainMatch {
  std::string path;
  uint64_t line;
  std::string text;  // with a newline
};
// Throws Refusal for "B". Leaves out what `include` (may be empty) does not take.
std::vector<PlainMatch> parsePlainGrep(std::string_view output, std::string_view include);

// Names that find can look for, for an include pattern: empty if it has to look at all.
std::vector<std::string> includeNames(std::string_view include);

}  // namespace sandbridge
