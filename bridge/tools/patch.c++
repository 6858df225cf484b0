#include "tools/patch.h"

#include <algorithm>

namespace sandbridge {

namespace {

constexpr TextView BEGIN = u"*** Begin Patch", END = u"*** End Patch";

bool isWordChar(char16_t c) {
  return (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z') || (c >= u'0' && c <= u'9') ||
         c == u'_';
}

// A patch that a model wrapped into a here document: `cat <<'EOF'`, the patch, `EOF`.
TextView withoutHeredoc(TextView text) {
  auto rest = text;
  if (startsWith(rest, u"cat") && rest.size() > 3 && isSpace(rest[3]))
    rest = trimStart(rest.substr(3));
  if (!startsWith(rest, u"<<")) return text;
  rest = rest.substr(2);
  auto skipQuote = [&]() {
    if (!rest.empty() && (rest[0] == u'\'' || rest[0] == u'"')) rest = rest.substr(1);
  };
  skipQuote();
  size_t size = 0;
  while (size < rest.size() && isWordChar(rest[size])) ++size;
  if (size == 0) return text;
  auto word = rest.substr(0, size);
  rest = rest.substr(size);
  skipQuote();
  size_t newline = rest.find(u'\n');
  if (newline == TextView::npos || !trim(rest.substr(0, newline)).empty()) return text;
  auto body = trimEnd(rest.substr(newline + 1));
  if (!endsWith(body, word)) return text;
  body = body.substr(0, body.size() - word.size());
  if (!endsWith(body, u"\n")) return text;
  return body.substr(0, body.size() - 1);
}

kj::Maybe<size_t> findMarker(const std::vector<TextView>& lines, TextView marker) {
  for (size_t i = 0; i < lines.size(); ++i) {
    if (trim(lines[i]) == marker) return i;
  }
  return nullptr;
}

class Parser {
 public:
  Parser(const std::vector<TextView>& lines, size_t begin, size_t end)
      : lines(lines), at(begin), end(end) {}

  std::vector<PatchSection> run() {
    std::vector<PatchSection> sections;
    while (at < end) {
      PatchSection section;
      if (header(u"*** Add File:", section.path)) {
        section.kind = PatchSection::ADD;
        section.content = addedContent();
      } else if (header(u"*** Delete File:", section.path)) {
        section.kind = PatchSection::REMOVE;
      } else if (header(u"*** Update File:", section.path)) {
        section.kind = PatchSection::UPDATE;
        constexpr TextView MOVE = u"*** Move to:";
        if (at < lines.size() && startsWith(lines[at], MOVE)) {
          auto target = trim(lines[at++].substr(MOVE.size()));
          if (!target.empty()) section.movePath = Text(target);
        }
        section.chunks = chunks();
      } else {
        ++at;
        continue;
      }
      sections.push_back(std::move(section));
    }
    return sections;
  }

 private:
  const std::vector<TextView>& lines;
  size_t at, end;

  bool header(TextView prefix, Text& path) {
    if (!startsWith(lines[at], prefix)) return false;
    auto name = trim(lines[at].substr(prefix.size()));
    if (name.empty()) return false;
    path = name;
    ++at;
    return true;
  }

  bool sectionEnds() const { return at >= lines.size() || startsWith(lines[at], u"***"); }

  Text addedContent() {
    Text content;
    for (; !sectionEnds(); ++at) {
      if (startsWith(lines[at], u"+")) content.append(lines[at].substr(1)).push_back(u'\n');
    }
    // An empty last line goes, a missing final newline is added.
    if (!content.empty()) content.pop_back();
    if (!content.empty() && content.back() != u'\n') content.push_back(u'\n');
    return content;
  }

  std::vector<PatchChunk> chunks() {
    std::vector<PatchChunk> out;
    while (!sectionEnds()) {
      if (!startsWith(lines[at], u"@@")) {
        ++at;
        continue;
      }
      PatchChunk chunk;
      chunk.context = trim(lines[at++].substr(2));
      for (; !sectionEnds() && !startsWith(lines[at], u"@@"); ++at) {
        auto line = lines[at];
        if (line.empty()) continue;
        auto rest = line.substr(1);
        if (line[0] == u' ') {
          chunk.newLines.push_back({Text(rest), chunk.oldLines.size()});
          chunk.oldLines.emplace_back(rest);
        } else if (line[0] == u'-') {
          chunk.oldLines.emplace_back(rest);
        } else if (line[0] == u'+') {
          chunk.newLines.push_back({Text(rest), nullptr});
        }
      }
      out.push_back(std::move(chunk));
    }
    return out;
  }
};

// Typographic characters that models write for plain ones, and the other way round.
Text plain(TextView text) {
  Text out;
  for (char16_t c : text) {
    if (c >= 0x2018 && c <= 0x201b) {
      out.push_back(u'\'');
    } else if (c >= 0x201c && c <= 0x201f) {
      out.push_back(u'"');
    } else if (c >= 0x2010 && c <= 0x2015) {
      out.push_back(u'-');
    } else if (c == 0x2026) {
      out.append(u"...");
    } else if (c == 0xa0) {
      out.push_back(u' ');
    } else {
      out.push_back(c);
    }
  }
  return out;
}

class Seeker {
 public:
  explicit Seeker(const std::vector<TextView>& lines) : lines(lines) {}

  // Where `wanted` stands in the file at or after `from`: exactly, else more and more loosely.
  kj::Maybe<size_t> find(const std::vector<Text>& wanted, size_t from) {
    if (wanted.empty()) return nullptr;
    KJ_IF_MAYBE (hit, findBy(wanted, from, [](TextView l) { return l; })) return *hit;
    KJ_IF_MAYBE (hit, findBy(wanted, from, trimEnd)) return *hit;
    KJ_IF_MAYBE (hit, findBy(wanted, from, trim)) return *hit;
    std::vector<Text> plainWanted;
    for (auto& line : wanted) plainWanted.push_back(plain(trim(line)));
    if (plainLines.empty()) {
      for (auto line : lines) plainLines.push_back(plain(trim(line)));
    }
    for (size_t i = from; i + wanted.size() <= lines.size(); ++i) {
      size_t j = 0;
      while (j < wanted.size() && plainLines[i + j] == plainWanted[j]) ++j;
      spend(j + 1);
      if (j == wanted.size()) return i;
    }
    return nullptr;
  }

 private:
  const std::vector<TextView>& lines;
  std::vector<Text> plainLines;
  uint64_t steps = 0;

  // Repetitive lines make the search quadratic; it must not hold up everybody else.
  void spend(size_t n) {
    steps += n;
    if (steps > 60'000'000) {
      throw Refusal{
          kj::str("apply_patch verification failed: Error: the patch and the file are too "
                  "large and repetitive to be matched. Use smaller chunks.")};
    }
  }

  template <typename Func>
  kj::Maybe<size_t> findBy(const std::vector<Text>& wanted, size_t from, Func look) {
    std::vector<TextView> looks;
    for (auto& line : wanted) looks.push_back(look(line));
    for (size_t i = from; i + looks.size() <= lines.size(); ++i) {
      size_t j = 0;
      while (j < looks.size() && look(lines[i + j]) == looks[j]) ++j;
      spend(j + 1);
      if (j == looks.size()) return i;
    }
    return nullptr;
  }
};

struct LineChange {
  size_t at, count;
  std::vector<PatchChunk::NewLine> lines;
};

// A line of the result: one of the file's, or a new one.
struct Piece {
  kj::Maybe<size_t> original;
  TextView text;
};

std::vector<Splice> toSplices(TextView text, const std::vector<TextView>& lines,
                              const std::vector<Piece>& pieces) {
  std::vector<Splice> splices;
  size_t at = 0;
  Text pending;
  for (size_t k = 0; k < pieces.size(); ++k) {
    KJ_IF_MAYBE (i, pieces[k].original) {
      size_t start = lines[*i].data() - text.data();
      bool follows =
          pending.empty() && (k == 0 ? start == 0 : start == at + 1 && text[at] == u'\n');
      if (!follows) {
        if (k > 0) pending.push_back(u'\n');
        splices.push_back({at, start - at, std::move(pending)});
        pending.clear();
      }
      at = start + lines[*i].size();
    } else {
      if (k > 0) pending.push_back(u'\n');
      pending.append(pieces[k].text);
    }
  }
  if (!pending.empty() || at < text.size())
    splices.push_back({at, text.size() - at, std::move(pending)});
  return splices;
}

}  // namespace

std::vector<PatchSection> parsePatch(TextView patchText) {
  if (patchText.empty()) throw Refusal{kj::str("patchText is required")};
  auto lines = splitLines(withoutHeredoc(trim(patchText)));
  auto begin = findMarker(lines, BEGIN), end = findMarker(lines, END);
  KJ_IF_MAYBE (b, begin) {
    KJ_IF_MAYBE (e, end) {
      if (*b < *e) {
        auto sections = Parser(lines, *b + 1, *e).run();
        if (!sections.empty()) return sections;
        auto whole = replaceAll(replaceAll(patchText, u"\r\n", u"\n"), u"\r", u"\n");
        if (trim(whole) == Text(BEGIN) + u"\n" + Text(END)) {
          throw Refusal{kj::str("patch rejected: empty patch")};
        }
        throw Refusal{kj::str("apply_patch verification failed: no hunks found")};
      }
    }
  }
  throw Refusal{
      kj::str("apply_patch verification failed: Error: Invalid patch format: missing "
              "Begin/End markers")};
}

std::vector<Splice> applyChunks(TextView text, const std::vector<PatchChunk>& chunks,
                                kj::StringPtr path) {
  auto lines = splitLines(text);
  if (lines.back().empty()) lines.pop_back();
  Seeker seeker(lines);
  std::vector<LineChange> changes;
  size_t position = 0;
  for (auto& chunk : chunks) {
    if (!chunk.context.empty()) {
      KJ_IF_MAYBE (hit, seeker.find({chunk.context}, position)) {
        position = *hit + 1;
      } else {
        throw Refusal{kj::str("apply_patch verification failed: Error: Failed to find context '",
                              encodeUtf8(chunk.context), "' in ", path)};
      }
    }
    if (chunk.oldLines.empty()) {
      size_t end = !lines.empty() && lines.back().empty() ? lines.size() - 1 : lines.size();
      changes.push_back({end, 0, chunk.newLines});
      continue;
    }
    auto oldLines = chunk.oldLines;
    auto newLines = chunk.newLines;
    auto hit = seeker.find(oldLines, position);
    if (hit == nullptr && oldLines.back().empty()) {
      oldLines.pop_back();
      if (!newLines.empty() && newLines.back().text.empty()) newLines.pop_back();
      hit = seeker.find(oldLines, position);
    }
    KJ_IF_MAYBE (at, hit) {
      changes.push_back({*at, oldLines.size(), std::move(newLines)});
      position = *at + oldLines.size();
    } else {
      Text wanted;
      for (size_t i = 0; i < chunk.oldLines.size(); ++i) {
        if (i > 0) wanted.push_back(u'\n');
        wanted.append(chunk.oldLines[i]);
      }
      throw Refusal{
          kj::str("apply_patch verification failed: Error: Failed to find expected lines in ", path,
                  ":\n", encodeUtf8(wanted))};
    }
  }
  std::stable_sort(changes.begin(), changes.end(), [](auto& a, auto& b) { return a.at < b.at; });

  std::vector<Piece> pieces;
  size_t next = 0;
  auto keepUntil = [&](size_t to) {
    for (; next < to; ++next) pieces.push_back({next, lines[next]});
  };
  for (auto& change : changes) {
    keepUntil(change.at);
    for (auto& line : change.lines) {
      Piece piece{nullptr, line.text};
      // A context line keeps the file's own bytes, unless the patch spells it differently.
      KJ_IF_MAYBE (i, line.oldIndex) {
        if (*i < change.count && lines[change.at + *i] == line.text)
          piece.original = change.at + *i;
      }
      pieces.push_back(piece);
    }
    next = std::max(next, change.at + change.count);
  }
  keepUntil(lines.size());
  if (pieces.empty() || !pieces.back().text.empty()) pieces.push_back({nullptr, {}});
  return toSplices(text, lines, pieces);
}

}  // namespace sandbridge
