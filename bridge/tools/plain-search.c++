#include "tools/plain-search.h"

#include "tools/glob-pattern.h"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace sandbridge {

const kj::StringPtr PLAIN_FILES = R"sh(
plain_files() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    if [ "$1" = deep ]; then find . -name .git -prune -o -print0 2>/dev/null
    else find . -name .git -prune -o -type d -print0 2>/dev/null
    fi | git check-ignore -z --stdin 2>/dev/null | head -c 4000000
  fi
  printf '\0'
  if stat --printf='' . 2>/dev/null; then
    find . -name .git -prune -o -type f -print0 2>/dev/null | xargs -0 -r stat --printf='%.9Y %n\0' -- 2>/dev/null
  else
    find . -name .git -prune -o -type f -print0 2>/dev/null | xargs -0 -r stat -c '%Y %n' -- 2>/dev/null | tr '\n' '\0'
  fi | head -c 16000000
}
)sh"_kj;

// Git's own list leaves out what is ignored; an include takes also ignored files, so then find
// lists.
const kj::StringPtr PLAIN_GREP = R"sh(
plain_grep() {
  pattern=$1 posix_ok=$2
  shift 2
  export pattern flavor
  flavor=-P
  printf 'a\n' | grep -qP a 2>/dev/null || flavor=-E
  if [ $flavor = -E ] && [ "$posix_ok" != yes ]; then
    printf 'Bthis sandbox has neither ripgrep nor a grep that can search for this pattern; use a simpler one'
    return
  fi
  complaint=$(grep $flavor -e "$pattern" /dev/null 2>&1)
  if [ $? -gt 1 ]; then printf 'B%s' "$complaint"; return; fi
  printf M
  if [ $# -gt 0 ]; then
    first=$1
    shift
    count=$#
    while [ $count -gt 0 ]; do
      set -- "$@" -o -name "$1"
      shift
      count=$((count - 1))
    done
    find . -name .git -prune -o -type f \( -name "$first" "$@" \) -print0 2>/dev/null
  elif git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z -co --exclude-standard . 2>/dev/null
  else
    find . -name .git -prune -o -type f -print0 2>/dev/null
  fi | xargs -0 -r grep -lsI $flavor -e "$pattern" -- /dev/null 2>/dev/null | head -c 4194304 | tr '\n' '\0' |
    newest |
    xargs -0 -r -n 1 sh -c 'printf "\0%s\0" "$1"; exec grep -nsI -m 101 $flavor -e "$pattern" -- "$1"' sh |
    cut -b 1-20000 | head -c 8000000
}
)sh"_kj;

namespace {

struct File {
  std::string_view time, name;
};

std::string_view withoutDot(std::string_view name) {
  return name.starts_with("./") ? name.substr(2) : name;
}

// Times as "<seconds>.<nanoseconds>": longer seconds are newer.
bool isNewer(const File& a, const File& b) {
  auto secondsOf = [](std::string_view t) { return t.substr(0, t.find('.')); };
  auto x = secondsOf(a.time), y = secondsOf(b.time);
  if (x.size() != y.size()) return x.size() > y.size();
  if (a.time != b.time) return a.time > b.time;
  return a.name < b.name;
}

// ripgrep's rules for what to descend into and what to take.
class Filter {
 public:
  Filter(const GlobPattern& pattern, std::vector<std::string_view> ignoredPaths, bool hidden)
      : pattern(pattern), ignored(ignoredPaths.begin(), ignoredPaths.end()), hidden(hidden) {}

  bool takes(std::string_view path) {
    size_t slash = path.rfind('/');
    if (slash != std::string_view::npos && !descends(path.substr(0, slash))) return false;
    if (pattern.isNegated()) {
      return !pattern.matches(path, false) && !isSkipped(path);
    }
    return pattern.matches(path, false);
  }

 private:
  const GlobPattern& pattern;
  std::set<std::string_view> ignored;
  bool hidden;  // whether hidden files are searched
  std::map<std::string, bool, std::less<>> known;

  bool isSkipped(std::string_view path) {
    size_t slash = path.rfind('/');
    auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    return (!hidden && name.starts_with('.')) || ignored.contains(path);
  }

  bool descends(std::string_view dir) {
    if (auto found = known.find(dir); found != known.end()) return found->second;
    size_t slash = dir.rfind('/');
    bool result = slash == std::string_view::npos || descends(dir.substr(0, slash));
    if (result) {
      bool match = pattern.matches(dir, true);
      result = pattern.isNegated() ? !match && !isSkipped(dir) : match || !isSkipped(dir);
    }
    known.emplace(dir, result);
    return result;
  }
};

}  // namespace

std::vector<std::string> plainGlob(std::string_view output, std::string_view pattern) {
  GlobPattern glob(pattern.empty() ? "*" : pattern);
  std::vector<std::string_view> ignored;
  std::vector<File> files;
  bool listing = false;
  for (auto part : splitNul(output)) {
    if (!listing) {
      if (part.empty()) {
        listing = true;
      } else {
        ignored.push_back(withoutDot(part));
      }
    } else if (size_t space = part.find(' '); space != std::string_view::npos) {
      files.push_back({part.substr(0, space), withoutDot(part.substr(space + 1))});
    }
  }
  Filter filter(glob, std::move(ignored), false);
  std::vector<File> taken;
  for (auto& file : files) {
    if (filter.takes(file.name)) taken.push_back(file);
  }
  std::sort(taken.begin(), taken.end(), isNewer);
  std::vector<std::string> names;
  for (auto& file : taken) {
    names.emplace_back(file.name);
    if (names.size() > SEARCH_RESULTS) break;
  }
  return names;
}

bool isPosixRegex(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\') {
      if (++i >= pattern.size()) return false;
      char next = pattern[i];
      if (isalnum(static_cast<unsigned char>(next)) &&
          std::string_view("bBwWsS").find(next) == std::string_view::npos) {
        return false;
      }
    } else if (c == '[') {
      // Classes differ in what a backslash means.
      size_t end = pattern.find(']', i + 2);
      if (end == std::string_view::npos) return true;  // grep says what is wrong
      if (pattern.substr(i, end - i).find('\\') != std::string_view::npos) return false;
      i = end;
    } else if (c == '?' && i > 0 &&
               std::string_view("*+?}(").find(pattern[i - 1]) != std::string_view::npos) {
      return false;  // lazy repetition, or (?...)
    }
  }
  return true;
}

std::vector<std::string> includeNames(std::string_view include) {
  if (include.empty()) return {};
  GlobPattern glob(include);
  if (glob.isNegated() || !glob.matchesName() || glob.choices().size() > 64) return {"*"};
  return glob.choices();
}

std::vector<PlainMatch> parsePlainGrep(std::string_view output, std::string_view include) {
  if (!output.starts_with("M")) {
    auto text = output.empty() ? output : output.substr(1);
    throw Refusal{validUtf8(chars(text.substr(0, 8192)).asBytes())};
  }
  output.remove_prefix(1);
  kj::Maybe<GlobPattern> glob;
  if (!include.empty()) glob = GlobPattern(include);
  std::vector<PlainMatch> matches;
  while (output.starts_with('\0')) {
    output.remove_prefix(1);
    size_t end = output.find('\0');
    if (end == std::string_view::npos) break;
    auto name = withoutDot(output.substr(0, end));
    output.remove_prefix(end + 1);
    auto lines = output.substr(0, output.find('\0'));
    output.remove_prefix(lines.size());
    KJ_IF_MAYBE (g, glob) {
      if (g->matches(name, false) == g->isNegated()) continue;
    }
    while (!lines.empty()) {
      auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(std::min(lines.size(), line.size() + 1));
      size_t colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0 || line[0] < '0' || line[0] > '9') continue;
      matches.push_back({std::string(name),
                         strtoull(std::string(line.substr(0, colon)).c_str(), nullptr, 10),
                         std::string(line.substr(colon + 1)) + "\n"});
    }
  }
  return matches;
}

}  // namespace sandbridge
