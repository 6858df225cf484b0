#include "tools/glob-pattern.h"

#include "tools/replace.h"  // Refusal

namespace sandbridge {

namespace {

constexpr size_t MAX_CHOICES = 512, MAX_PATTERN = 4096;

[[noreturn]] void refuse(std::string_view why) {
  throw Refusal{kj::str("error parsing glob: ", kj::arrayPtr(why.data(), why.size()))};
}

// Where the class that begins at `i` ends (its "]"), or npos.
size_t classEnd(std::string_view p, size_t i) {
  size_t at = i + 1;
  if (at < p.size() && (p[at] == '!' || p[at] == '^')) ++at;
  if (at < p.size() && p[at] == ']') ++at;
  return p.find(']', at);
}

// Expands the first group of braces, and what comes of it again.
void expand(std::string pattern, std::vector<std::string>& out) {
  if (out.size() >= MAX_CHOICES) refuse("too many alternatives");
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      size_t end = classEnd(pattern, i);
      if (end == std::string::npos) refuse("unclosed character class");
      i = end;
    } else if (pattern[i] == '}') {
      refuse("unopened alternate group");
    } else if (pattern[i] == '{') {
      std::vector<std::string> parts(1);
      size_t depth = 1, at = i + 1;
      for (; at < pattern.size(); ++at) {
        char c = pattern[at];
        if (c == '\\' && at + 1 < pattern.size()) {
          parts.back() += c;
          c = pattern[++at];
        } else if (c == '{') {
          ++depth;
        } else if (c == '}' && --depth == 0) {
          break;
        } else if (c == ',' && depth == 1) {
          parts.emplace_back();
          continue;
        }
        parts.back() += c;
      }
      if (at >= pattern.size()) refuse("unclosed alternate group");
      for (auto& part : parts) expand(pattern.substr(0, i) + part + pattern.substr(at + 1), out);
      return;
    }
  }
  out.push_back(std::move(pattern));
}

bool classMatches(std::string_view set, char c) {
  bool inverted = !set.empty() && (set[0] == '!' || set[0] == '^');
  if (inverted) set.remove_prefix(1);
  auto byte = static_cast<unsigned char>(c);
  bool hit = false;
  for (size_t i = 0; i < set.size(); ++i) {
    auto from = static_cast<unsigned char>(set[i]), to = from;
    if (i + 2 < set.size() && set[i + 1] == '-') {
      to = static_cast<unsigned char>(set[i + 2]);
      i += 2;
    }
    hit = hit || (byte >= from && byte <= to);
  }
  return hit != inverted;
}

// Remembers what has failed, so that many stars take no more than the product of both lengths.
class Matcher {
 public:
  Matcher(std::string_view pattern, std::string_view path)
      : p(pattern), s(path), failed((pattern.size() + 1) * (path.size() + 1)) {}

  bool run(size_t i, size_t j) {
    size_t state = i * (s.size() + 1) + j;
    if (failed[state]) return false;
    bool result = step(i, j);
    if (!result) failed[state] = true;
    return result;
  }

 private:
  std::string_view p, s;
  std::vector<bool> failed;

  bool step(size_t i, size_t j) {
    while (i < p.size()) {
      bool segmentStart = i == 0 || p[i - 1] == '/';
      if (p[i] == '*' && p.substr(i, 2) == "**" && segmentStart) {
        if (i + 2 == p.size()) return j < s.size();  // everything below
        if (p[i + 2] == '/') {                       // any number of directories
          if (run(i + 3, j)) return true;
          for (size_t k = j; k < s.size(); ++k) {
            if (s[k] == '/' && run(i + 3, k + 1)) return true;
          }
          return false;
        }
      }
      if (p[i] == '*') {
        size_t next = i;
        while (next < p.size() && p[next] == '*') ++next;
        return run(next, j) || (j < s.size() && s[j] != '/' && run(next - 1, j + 1));
      }
      if (j >= s.size()) return false;
      if (p[i] == '?') {
        if (s[j] == '/') return false;
        // A character, not a byte.
        for (++j; j < s.size() && (s[j] & 0xc0) == 0x80;) ++j;
        ++i;
      } else if (p[i] == '[') {
        size_t end = classEnd(p, i);
        if (s[j] == '/' || !classMatches(p.substr(i + 1, end - i - 1), s[j])) return false;
        i = end + 1;
        ++j;
      } else {
        if (p[i] == '\\' && i + 1 < p.size()) ++i;
        if (p[i] != s[j]) return false;
        ++i;
        ++j;
      }
    }
    return j == s.size();
  }
};

}  // namespace

GlobPattern::GlobPattern(std::string_view pattern) {
  if (pattern.size() > MAX_PATTERN) refuse("too long");
  if (pattern.starts_with('!')) {
    negated = true;
    pattern.remove_prefix(1);
  }
  if (pattern.starts_with('/')) {
    anchored = true;
    pattern.remove_prefix(1);
  }
  if (pattern.ends_with('/') && !pattern.ends_with("\\/")) {
    directoriesOnly = true;
    pattern.remove_suffix(1);
  }
  anchored = anchored || pattern.find('/') != std::string_view::npos;
  expand(std::string(pattern), expanded);
}

bool GlobPattern::matches(std::string_view path, bool isDirectory) const {
  if (directoriesOnly && !isDirectory) return false;
  if (!anchored) {
    size_t slash = path.rfind('/');
    if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  }
  for (auto& choice : expanded) {
    if (Matcher(choice, path).run(0, 0)) return true;
  }
  return false;
}

}  // namespace sandbridge
