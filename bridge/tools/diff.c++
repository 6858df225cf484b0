#include "tools/diff.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <unordered_map>

namespace sandbridge {

namespace {

enum class Kind : uint8_t { SAME, REMOVED, ADDED };

struct Change {
  Kind kind;
  size_t count;
};

// Search effort after which two texts count as having nothing in common between their common start
// and end: about half a second of work and 100 MB. (Only rewritten files of several thousand lines
// get there.)
constexpr size_t MAX_STEPS = 6'000'000;

// Lines with their newline; nothing after a final newline.
std::vector<TextView> tokens(TextView text) {
  std::vector<TextView> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find(u'\n', at);
    end = end == TextView::npos ? text.size() : end + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

// Myers' greedy search as jsdiff does it: which of two equally short paths wins decides how a diff
// reads.
class Search {
 public:
  Search(const std::vector<TextView>& a, const std::vector<TextView>& b) {
    std::unordered_map<TextView, uint32_t> ids;
    auto number = [&](const std::vector<TextView>& lines) {
      std::vector<uint32_t> out;
      out.reserve(lines.size());
      for (auto& line : lines) out.push_back(ids.try_emplace(line, ids.size()).first->second);
      return out;
    };
    old = number(a);
    now = number(b);
  }

  std::vector<Change> run() {
    if (auto path = search()) return unwind(*path);
    return withoutSearch();
  }

 private:
  static constexpr uint32_t NONE = std::numeric_limits<uint32_t>::max();

  struct Component {
    Kind kind;
    uint32_t count;
    uint32_t previous;
  };
  struct Path {
    int64_t oldPosition;
    uint32_t last;
    bool present;
  };

  // The furthest path on each diagonal. Beyond the texts' ends there is none.
  class Diagonals {
   public:
    Diagonals(int64_t n, int64_t m) : offset(m + 1), paths(n + m + 3, Path{0, NONE, false}) {}
    Path get(int64_t k) { return inside(k) ? paths[k + offset] : Path{0, NONE, false}; }
    void set(int64_t k, Path path) {
      if (inside(k)) paths[k + offset] = path;
    }

   private:
    int64_t offset;
    std::vector<Path> paths;
    bool inside(int64_t k) { return k + offset >= 0 && k + offset < int64_t(paths.size()); }
  };

  std::vector<uint32_t> old, now;
  std::vector<Component> components;

  uint32_t extend(uint32_t last, Kind kind, uint32_t count) {
    if (last != NONE && components[last].kind == kind) {
      Component c = components[last];
      components.push_back({kind, c.count + count, c.previous});
    } else {
      components.push_back({kind, count, last});
    }
    return components.size() - 1;
  }

  // Runs along common lines; returns the position in the new text.
  int64_t followCommon(Path& path, int64_t diagonal) {
    int64_t oldPosition = path.oldPosition, newPosition = oldPosition - diagonal;
    uint32_t common = 0;
    while (newPosition + 1 < int64_t(now.size()) && oldPosition + 1 < int64_t(old.size()) &&
           old[oldPosition + 1] == now[newPosition + 1]) {
      ++newPosition;
      ++oldPosition;
      ++common;
    }
    if (common > 0) {
      components.push_back({Kind::SAME, common, path.last});
      path.last = components.size() - 1;
    }
    path.oldPosition = oldPosition;
    return newPosition;
  }

  std::unique_ptr<uint32_t> search() {
    int64_t n = old.size(), m = now.size();
    Path start{-1, NONE, true};
    int64_t newPosition = followCommon(start, 0);
    if (start.oldPosition + 1 >= n && newPosition + 1 >= m) {
      return std::make_unique<uint32_t>(start.last);
    }
    Diagonals best(n, m);
    best.set(0, start);
    int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
    size_t steps = 0;
    for (int64_t length = 1; length <= n + m; ++length) {
      for (int64_t k = std::max(low, -length); k <= std::min(high, length); k += 2) {
        if (++steps > MAX_STEPS || components.size() > MAX_STEPS) return nullptr;
        Path removal = best.get(k - 1), addition = best.get(k + 1);
        best.set(k - 1, {0, NONE, false});  // used up, whatever comes of it
        bool canAdd =
            addition.present && addition.oldPosition - k >= 0 && addition.oldPosition - k < m;
        bool canRemove = removal.present && removal.oldPosition + 1 < n;
        if (!canAdd && !canRemove) {
          best.set(k, {0, NONE, false});
          continue;
        }
        Path path;
        if (!canRemove || (canAdd && removal.oldPosition < addition.oldPosition)) {
          path = {addition.oldPosition, extend(addition.last, Kind::ADDED, 1), true};
        } else {
          path = {removal.oldPosition + 1, extend(removal.last, Kind::REMOVED, 1), true};
        }
        newPosition = followCommon(path, k);
        if (path.oldPosition + 1 >= n && newPosition + 1 >= m) {
          return std::make_unique<uint32_t>(path.last);
        }
        best.set(k, path);
        if (path.oldPosition + 1 >= n) high = std::min(high, k - 1);
        if (newPosition + 1 >= m) low = std::max(low, k + 1);
      }
    }
    return nullptr;
  }

  std::vector<Change> unwind(uint32_t last) {
    std::vector<Change> changes;
    for (uint32_t i = last; i != NONE; i = components[i].previous) {
      changes.push_back({components[i].kind, components[i].count});
    }
    std::reverse(changes.begin(), changes.end());
    return changes;
  }

  std::vector<Change> withoutSearch() {
    size_t n = old.size(), m = now.size(), head = 0, tail = 0;
    while (head < n && head < m && old[head] == now[head]) ++head;
    while (tail < n - head && tail < m - head && old[n - 1 - tail] == now[m - 1 - tail]) ++tail;
    std::vector<Change> changes;
    auto add = [&](Kind kind, size_t count) {
      if (count > 0) changes.push_back({kind, count});
    };
    add(Kind::SAME, head);
    add(Kind::REMOVED, n - head - tail);
    add(Kind::ADDED, m - head - tail);
    add(Kind::SAME, tail);
    return changes;
  }
};

struct Hunk {
  size_t oldStart, oldLines, newStart, newLines;
  std::vector<std::pair<char16_t, TextView>> lines;
};

constexpr size_t CONTEXT = 4;

std::vector<Hunk> makeHunks(const std::vector<TextView>& a, const std::vector<TextView>& b,
                            std::vector<Change> changes) {
  changes.push_back({Kind::SAME, 0});  // so that the last hunk gets closed
  std::vector<Hunk> hunks;
  std::vector<std::pair<char16_t, TextView>> lines;
  size_t oldStart = 0, newStart = 0, oldLine = 1, newLine = 1;
  size_t atOld = 0, atNew = 0;
  for (size_t x = 0; x < changes.size(); ++x) {
    auto [kind, count] = changes[x];
    if (kind != Kind::SAME) {
      if (oldStart == 0) {
        size_t context = x > 0 ? std::min(CONTEXT, changes[x - 1].count) : 0;
        for (size_t i = 0; i < context; ++i) lines.emplace_back(u' ', a[atOld - context + i]);
        oldStart = oldLine - context;
        newStart = newLine - context;
      }
      for (size_t i = 0; i < count; ++i) {
        if (kind == Kind::ADDED) {
          lines.emplace_back(u'+', b[atNew++]);
          ++newLine;
        } else {
          lines.emplace_back(u'-', a[atOld++]);
          ++oldLine;
        }
      }
    } else {
      if (oldStart != 0) {
        if (count <= 2 * CONTEXT && x + 2 < changes.size()) {
          for (size_t i = 0; i < count; ++i) lines.emplace_back(u' ', a[atOld + i]);
        } else {
          size_t context = std::min(count, CONTEXT);
          for (size_t i = 0; i < context; ++i) lines.emplace_back(u' ', a[atOld + i]);
          hunks.push_back({oldStart, oldLine - oldStart + context, newStart,
                           newLine - newStart + context, std::move(lines)});
          lines.clear();
          oldStart = newStart = 0;
        }
      }
      oldLine += count;
      newLine += count;
      atOld += count;
      atNew += count;
    }
  }
  return hunks;
}

void appendNumber(Text& out, size_t n) {
  for (char c : std::to_string(n)) out.push_back(c);
}

Text header(TextView path) {
  Text out = u"Index: ";
  out.append(path).append(u"\n").append(67, u'=').append(u"\n--- ").append(path);
  out.append(u"\n+++ ").append(path).append(u"\n");
  return out;
}

bool isBody(TextView line) {
  if (line.empty() || (line[0] != u'+' && line[0] != u'-' && line[0] != u' ')) return false;
  return !startsWith(line, u"---") && !startsWith(line, u"+++");
}

// OpenCode shows a patch without the indentation that all of its lines share.
Text trimIndentation(Text patch) {
  size_t least = std::numeric_limits<size_t>::max();
  auto lines = splitLines(TextView(patch));
  for (auto line : lines) {
    if (!isBody(line)) continue;
    auto rest = line.substr(1);
    auto stripped = trimStart(rest);
    if (!stripped.empty()) least = std::min(least, rest.size() - stripped.size());
  }
  if (least == 0 || least == std::numeric_limits<size_t>::max()) return patch;
  Text out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.push_back(u'\n');
    auto line = lines[i];
    if (isBody(line)) {
      out.push_back(line[0]);
      auto rest = line.substr(1);
      out.append(rest.substr(std::min(least, rest.size())));
    } else {
      out.append(line);
    }
  }
  return out;
}

}  // namespace

Text createPatch(TextView path, TextView oldText, TextView newText) {
  auto a = tokens(oldText), b = tokens(newText);
  Text out = header(path);
  for (auto& hunk : makeHunks(a, b, Search(a, b).run())) {
    out.append(u"@@ -");
    appendNumber(out, hunk.oldStart - (hunk.oldLines == 0));
    out.push_back(u',');
    appendNumber(out, hunk.oldLines);
    out.append(u" +");
    appendNumber(out, hunk.newStart - (hunk.newLines == 0));
    out.push_back(u',');
    appendNumber(out, hunk.newLines);
    out.append(u" @@\n");
    for (auto& [marker, line] : hunk.lines) {
      out.push_back(marker);
      out.append(line);
      if (!endsWith(line, u"\n")) out.append(u"\n\\ No newline at end of file\n");
    }
  }
  return trimIndentation(std::move(out));
}

LineCounts countChanges(TextView oldText, TextView newText) {
  LineCounts counts;
  for (auto& change : Search(tokens(oldText), tokens(newText)).run()) {
    if (change.kind == Kind::ADDED) counts.additions += change.count;
    if (change.kind == Kind::REMOVED) counts.deletions += change.count;
  }
  return counts;
}

Text createOversizePatch(TextView path, uint64_t oldSize) {
  Text out = header(path);
  out.append(u"\\ The old file has ");
  appendNumber(out, oldSize);
  out.append(u" bytes: too many to show what changes.\n");
  return out;
}

}  // namespace sandbridge
