#pragma once
// Patterns as ripgrep's --glob reads them (gitignore's rules and braces), for sandboxes without
// ripgrep.

#include <string>
#include <string_view>
#include <vector>

namespace sandbridge {

class GlobPattern {
 public:
  // Throws Refusal for a pattern that does not parse.
  explicit GlobPattern(std::string_view pattern);

  // Begins with "!": what matches is left out, all else is taken.
  bool isNegated() const { return negated; }
  // `path` is relative to the directory that is searched, without "./".
  bool matches(std::string_view path, bool isDirectory) const;
  // Whether it matches the name alone, in whatever directory.
  bool matchesName() const { return !anchored; }
  // Without the braces: one pattern for each choice.
  const std::vector<std::string>& choices() const { return expanded; }

 private:
  bool negated = false, anchored = false, directoriesOnly = false;
  std::vector<std::string> expanded;
};

}  // namespace sandbridge
