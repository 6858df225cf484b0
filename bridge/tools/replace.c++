#include "tools/replace.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace sandbridge {

namespace {

constexpr double SIMILAR_ENOUGH = 0.65;

// A comparison that a hostile or degenerate file makes quadratic must not hold up everybody else: a
// fraction of a second.
class Effort {
 public:
  void spend(size_t steps) {
    used += steps;
    if (used > LIMIT) {
      throw Refusal{kj::str(
          "Could not find oldString in the file: it and the file are too large and repetitive to "
          "compare inexactly. Re-read the file and provide the exact text.")};
    }
  }

 private:
  static constexpr uint64_t LIMIT = 60'000'000;
  uint64_t used = 0;
};

// Gets each candidate; returns true to stop the search.
using Visitor = std::function<bool(TextView)>;

struct Subject {
  TextView content, old;
  std::vector<TextView> lines;     // of the content
  std::vector<TextView> trimmed;   // the same lines
  std::vector<TextView> oldLines;  // with an empty last one
  std::vector<TextView> pattern;   // oldLines without it
  Effort& effort;

  Subject(TextView content, TextView old, Effort& effort)
      : content(content),
        old(old),
        lines(splitLines(content)),
        oldLines(splitLines(old)),
        pattern(oldLines),
        effort(effort) {
    if (pattern.back().empty()) pattern.pop_back();
    for (auto line : lines) trimmed.push_back(trim(line));
  }

  // The exact text from the start of one line to the end of another, without its newline.
  TextView block(size_t first, size_t count) const {
    if (count == 0) return {};
    const char16_t* begin = lines[first].data();
    auto& last = lines[first + count - 1];
    return {begin, size_t(last.data() + last.size() - begin)};
  }
};

size_t levenshtein(TextView a, TextView b, Effort& effort) {
  if (a.empty() || b.empty()) return std::max(a.size(), b.size());
  effort.spend(a.size() * b.size());
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row.back();
}

bool lineTrimmed(Subject& s, const Visitor& visit) {
  size_t count = s.pattern.size();
  std::vector<TextView> wanted;
  for (auto line : s.pattern) wanted.push_back(trim(line));
  for (size_t i = 0; i + count <= s.lines.size(); ++i) {
    size_t j = 0;
    while (j < count && s.trimmed[i + j] == wanted[j]) ++j;
    s.effort.spend(j + 1);
    if (j == count && visit(s.block(i, count))) return true;
  }
  return false;
}

// For each line that reads like the first of `pattern`, the first one at least two below that reads
// like its last.
void forEachAnchored(Subject& s, const std::function<bool(size_t first, size_t last)>& use) {
  auto head = trim(s.pattern.front()), tail = trim(s.pattern.back());
  for (size_t a = 0; a < s.lines.size(); ++a) {
    if (s.trimmed[a] != head) continue;
    for (size_t g = a + 2; g < s.lines.size(); ++g) {
      s.effort.spend(1);
      if (s.trimmed[g] != tail) continue;
      if (use(a, g)) return;
      break;
    }
  }
}

double similarity(Subject& s, size_t first, size_t last) {
  size_t count = last - first + 1, wanted = s.pattern.size();
  if (wanted <= 2 || count <= 2) return 1;
  double compared = std::min(wanted - 2, count - 2), sum = 0;
  for (size_t j = 1; j + 1 < std::min(wanted, count); ++j) {
    auto u = s.trimmed[first + j], v = trim(s.pattern[j]);
    size_t widest = std::max(u.size(), v.size());
    if (widest == 0) continue;
    sum += (1 - double(levenshtein(u, v, s.effort)) / double(widest)) / compared;
  }
  return sum;
}

bool blockAnchor(Subject& s, const Visitor& visit) {
  if (s.oldLines.size() < 3) return false;
  size_t wanted = s.pattern.size(), slack = std::max<size_t>(1, wanted / 4);
  bool found = false;
  double best = 0;
  size_t bestFirst = 0, bestLast = 0;
  forEachAnchored(s, [&](size_t first, size_t last) {
    size_t count = last - first + 1;
    if ((count > wanted ? count - wanted : wanted - count) > slack) return false;
    double value = similarity(s, first, last);
    if (!found || value > best) {
      found = true;
      best = value;
      bestFirst = first;
      bestLast = last;
    }
    return false;
  });
  // Sums of fractions that make exactly the bound on paper may fall a little short of it.
  return found && best >= SIMILAR_ENOUGH - 1e-12 &&
         visit(s.block(bestFirst, bestLast - bestFirst + 1));
}

// Runs of white space to one space, trimmed.
Text normalized(TextView text) {
  Text out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (isSpace(text[i])) {
      if (!out.empty() && out.back() != u' ') out.push_back(u' ');
    } else {
      out.push_back(text[i]);
    }
  }
  if (!out.empty() && out.back() == u' ') out.pop_back();
  return out;
}

// The first place in `line` where `words` stand one after the other with any white space between.
kj::Maybe<TextView> findWords(TextView line, const std::vector<TextView>& words) {
  if (words.empty()) return line.substr(0, 0);
  for (size_t start = line.find(words[0]); start != TextView::npos;
       start = line.find(words[0], start + 1)) {
    size_t at = start + words[0].size(), w = 1;
    for (; w < words.size(); ++w) {
      size_t gap = at;
      while (gap < line.size() && isSpace(line[gap])) ++gap;
      if (gap == at || line.substr(gap, words[w].size()) != words[w]) break;
      at = gap + words[w].size();
    }
    if (w == words.size()) return line.substr(start, at - start);
  }
  return nullptr;
}

bool whitespaceNormalized(Subject& s, const Visitor& visit) {
  Text wanted = normalized(s.old);
  std::vector<TextView> words;
  for (size_t at = 0; at < s.old.size();) {
    size_t end = at;
    while (end < s.old.size() && !isSpace(s.old[end])) ++end;
    if (end > at) words.push_back(s.old.substr(at, end - at));
    at = end + 1;
  }
  std::vector<Text> norms;
  for (auto line : s.lines) {
    norms.push_back(normalized(line));
    s.effort.spend(line.size());
    if (norms.back() == wanted) {
      if (visit(line)) return true;
    } else if (norms.back().find(wanted) != Text::npos) {
      KJ_IF_MAYBE (hit, findWords(line, words)) {
        if (visit(*hit)) return true;
      }
    }
  }
  size_t count = s.oldLines.size();
  if (count <= 1) return false;
  for (size_t i = 0; i + count <= s.lines.size(); ++i) {
    // The norm of joined lines is their norms joined by spaces, empty ones left out.
    size_t at = 0;
    bool equal = true;
    for (size_t j = 0; j < count && equal; ++j) {
      auto& norm = norms[i + j];
      s.effort.spend(1);
      if (norm.empty()) continue;
      if (at > 0) equal = at < wanted.size() && wanted[at++] == u' ';
      equal = equal && TextView(wanted).substr(at, norm.size()) == norm;
      at += norm.size();
    }
    if (equal && at == wanted.size() && visit(s.block(i, count))) return true;
  }
  return false;
}

size_t indentOf(TextView line) {
  return line.size() - trimStart(line).size();
}

size_t leastIndent(const TextView* lines, size_t count) {
  size_t least = SIZE_MAX;
  for (size_t i = 0; i < count; ++i) {
    if (!trim(lines[i]).empty()) least = std::min(least, indentOf(lines[i]));
  }
  return least == SIZE_MAX ? 0 : least;
}

TextView dedented(TextView line, size_t indent) {
  return trim(line).empty() ? line : line.substr(indent);
}

bool indentationFlexible(Subject& s, const Visitor& visit) {
  size_t count = s.oldLines.size(), oldIndent = leastIndent(s.oldLines.data(), count);
  std::vector<TextView> wanted;
  for (auto line : s.oldLines) wanted.push_back(dedented(line, oldIndent));
  for (size_t i = 0; i + count <= s.lines.size(); ++i) {
    size_t j = 0;
    while (j < count && s.trimmed[i + j] == trim(wanted[j])) ++j;
    s.effort.spend(j + 1);
    if (j < count) continue;
    size_t indent = leastIndent(&s.lines[i], count);
    j = 0;
    while (j < count && dedented(s.lines[i + j], indent) == wanted[j]) ++j;
    if (j == count && visit(s.block(i, count))) return true;
  }
  return false;
}

// Reads an escape at text[i], if there is one; `size` is how much of the text it takes.
char16_t unescapeAt(TextView text, size_t i, size_t& size) {
  size = 1;
  if (text[i] != u'\\' || i + 1 >= text.size()) return text[i];
  char16_t next = text[i + 1];
  size = 2;
  switch (next) {
    case u'n':
      return u'\n';
    case u't':
      return u'\t';
    case u'r':
      return u'\r';
    case u'\'':
    case u'"':
    case u'`':
    case u'\\':
    case u'\n':
    case u'$':
      return next;
    default:
      size = 1;
      return text[i];
  }
}

bool escapeNormalized(Subject& s, const Visitor& visit) {
  Text wanted;
  for (size_t i = 0, size; i < s.old.size(); i += size)
    wanted.push_back(unescapeAt(s.old, i, size));
  if (s.content.find(wanted) != TextView::npos && visit(wanted)) return true;
  size_t count = std::count(wanted.begin(), wanted.end(), u'\n') + 1;
  for (size_t i = 0; i + count <= s.lines.size(); ++i) {
    auto block = s.block(i, count);
    size_t at = 0, k = 0;
    for (size_t size; k < block.size() && at < wanted.size(); k += size, ++at) {
      if (unescapeAt(block, k, size) != wanted[at]) break;
    }
    s.effort.spend(at + 1);
    if (k >= block.size() && at == wanted.size() && visit(block)) return true;
  }
  return false;
}

bool trimmedBoundary(Subject& s, const Visitor& visit) {
  auto wanted = trim(s.old);
  if (wanted == s.old) return false;
  if (s.content.find(wanted) != TextView::npos && visit(wanted)) return true;
  size_t count = s.oldLines.size();
  for (size_t i = 0; i + count <= s.lines.size(); ++i) {
    auto block = s.block(i, count), rest = trimStart(block);
    s.effort.spend(block.size() - rest.size() + 1);
    if (!startsWith(rest, wanted)) continue;
    s.effort.spend(rest.size());
    if (trim(rest) == wanted && visit(block)) return true;
  }
  return false;
}

bool contextAware(Subject& s, const Visitor& visit) {
  if (s.oldLines.size() < 3) return false;
  bool stopped = false;
  forEachAnchored(s, [&](size_t first, size_t last) {
    size_t count = last - first + 1;
    if (count != s.pattern.size()) return false;
    size_t total = 0, equal = 0;
    for (size_t j = 1; j + 1 < count; ++j) {
      auto u = s.trimmed[first + j], v = trim(s.pattern[j]);
      if (u.empty() && v.empty()) continue;
      ++total;
      equal += u == v;
    }
    s.effort.spend(count);
    if (total == 0 || double(equal) / double(total) >= 0.5) stopped = visit(s.block(first, count));
    return stopped;
  });
  return stopped;
}

size_t countLines(TextView text) {
  return std::count(text.begin(), text.end(), u'\n') + 1;
}

// A forgiving match must not swallow much more than was named.
bool muchLarger(TextView candidate, TextView old) {
  size_t lines = countLines(old), candidateLines = countLines(candidate);
  if (candidateLines >= std::max(lines + 3, 2 * lines)) return true;
  if (lines == 1) return false;
  size_t size = trim(old).size();
  return trim(candidate).size() > std::max(size + 500, 4 * size);
}

}  // namespace

std::vector<Splice> findReplacements(TextView content, TextView oldString, TextView newString,
                                     bool all) {
  Effort effort;
  Subject subject(content, oldString, effort);
  bool seen = false;
  std::vector<Splice> result;

  auto visit = [&](TextView candidate) {
    size_t first = content.find(candidate);
    if (first == TextView::npos) return false;
    effort.spend(first / 16 + 1);
    seen = true;
    if (muchLarger(candidate, oldString)) {
      throw Refusal{
          kj::str("Refusing replacement because the matched span is much larger than oldString. "
                  "Re-read the "
                  "file and provide the full exact oldString for the intended replacement.")};
    }
    // A blank oldString finds the empty text on every line. OpenCode then writes newString between
    // all characters of the file; that is nobody's wish, so here it is ambiguous.
    if (all && !candidate.empty()) {
      for (size_t at = first; at != TextView::npos;
           at = content.find(candidate, at + candidate.size())) {
        result.push_back({at, candidate.size(), Text(newString)});
      }
      return true;
    }
    if (content.rfind(candidate) != first) {
      effort.spend(content.size() / 64);
      return false;
    }
    result.push_back({first, candidate.size(), Text(newString)});
    return true;
  };

  // A repeated exact match goes on to the forgiving matchers, which may find a longer, unique one.
  bool done = visit(oldString) || lineTrimmed(subject, visit) || blockAnchor(subject, visit) ||
              whitespaceNormalized(subject, visit) || indentationFlexible(subject, visit) ||
              escapeNormalized(subject, visit) || trimmedBoundary(subject, visit) ||
              contextAware(subject, visit);
  if (done) return result;
  throw Refusal{seen ? kj::str("Found multiple matches for oldString. Provide more surrounding "
                               "context to make the match unique.")
                     : kj::str("Could not find oldString in the file. It must match exactly, "
                               "including whitespace, indentation, and line endings.")};
}

}  // namespace sandbridge
