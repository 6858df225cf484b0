#include "base/coroutine.h"
#include "tools/plain-search.h"

#include <algorithm>
#include <cstdlib>

namespace sandbridge {

namespace {

// Searches twice: for the files that match, to choose the newest, and in those for the lines.
// Prints X if the directory cannot be searched, else R and ripgrep's JSON records (without ripgrep
// N and what plain_grep prints). Of a record that is too long only the beginning and what follows
// the line's text is kept, with a tab between.
constexpr kj::StringPtr SCRIPT = R"sh(
dir=$1 pattern=$2 include=$3 posix_ok=$4
shift 4
cd -- "$dir" 2>/dev/null || { printf X; exit 0; }
if with_rg; then
  printf R
  rg --no-config --hidden --no-messages --files-with-matches --null \
      ${include:+"--glob=$include"} --glob='!**/.git/**' -- "$pattern" . </dev/null |
    head -c 4194304 | newest |
    xargs -0 -r rg --no-config --json --hidden --no-messages --threads 1 -- "$pattern" |
    awk '
      { type = substr($0, 1, 14) }
      type == "{\"type\":\"match" && n <= 101 {
        n++
        if (length($0) <= 65536) print
        else if (i = index($0, "\"},\"line_number\":")) {
          print substr($0, 1, i > 30000 ? 30000 : i - 1) "\t" substr($0, i, 120)
        }
      }
      type == "{\"type\":\"end\"," { print; if (n > 101) exit }
    '
else
  printf N
  plain_grep "$pattern" "$posix_ok" "$@"
fi
exit 0
)sh"_kj;

// A file is searched with its whole directory, and so is a path that does not exist: $2 instead of
// $1. Prints which.
constexpr kj::StringPtr PLACE = R"sh(
if [ -d "$1" ]; then
  printf d
  place=$1
else
  printf f
  place=$2
fi
shift 2
set -- "$place" "$@"
)sh"_kj;

constexpr kj::StringPtr KIND_SCRIPT = R"(if [ -d "$1" ]; then printf d; fi)"_kj;

// As in the script: bytes that are kept of a record whose line is too long.
constexpr size_t CUT_RECORD = 30000;

struct Match {
  std::string path;  // as ripgrep printed it
  uint64_t line = 0;
  uint64_t offset = 0;
  std::string text;  // the whole line, or enough of a long one
};

std::string decodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+'             ? 62
                : c == '/'             ? 63
                                       : -1;
    if (value < 0) break;
    bits = bits << 6 | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  return out;
}

// {"text": "..."} or, for what is not UTF-8, {"bytes": "<base64>"}.
std::string bytesOf(const JsonValue& value) {
  KJ_IF_MAYBE (text, getString(value, "text")) {
    return std::string(view(*text));
  }
  KJ_IF_MAYBE (bytes, getString(value, "bytes")) {
    return decodeBase64(view(*bytes));
  }
  return {};
}

// A record that was too long: its beginning up to the end of the line's text, or cut inside of it;
// and what followed.
std::string mended(std::string_view record) {
  size_t tab = record.find('\t');
  if (tab == std::string_view::npos) return std::string(record);
  auto head = record.substr(0, tab), tail = record.substr(tab + 1);
  // Where it was cut, not inside an escape or a character. "\\u1234" is the longest.
  size_t end = head.size();
  if (end < CUT_RECORD) end = 0;
  for (size_t back = 1; back <= 6 && back <= end; ++back) {
    size_t at = end - back, slashes = 0;
    while (slashes < at && head[at - slashes] == '\\') ++slashes;
    if (slashes % 2 == 1) {
      head = head.substr(0, at);
      break;
    }
  }
  if (end > 0) {
    while (!head.empty() && (head.back() & 0xc0) == 0x80) head.remove_suffix(1);
    if (!head.empty() && (head.back() & 0x80)) head.remove_suffix(1);
  }
  // The tail begins with "},"line_number":N,"absolute_offset":M and goes on somehow.
  constexpr std::string_view OFFSET = "\"absolute_offset\":";
  size_t digits = tail.find(OFFSET);
  if (digits == std::string_view::npos) return {};
  digits += OFFSET.size();
  while (digits < tail.size() && tail[digits] >= '0' && tail[digits] <= '9') ++digits;
  return std::string(head) + std::string(tail.substr(0, digits)) + "}}";
}

std::vector<Match> parseMatches(std::string_view output) {
  std::vector<Match> matches;
  size_t fileStart = 0;
  for (auto line : splitLines(output)) {
    auto record = mended(line);
    auto maybe = tryParseJson(chars(record));
    if (maybe == nullptr) continue;  // the empty last line
    auto& document = KJ_ASSERT_NONNULL(maybe);
    if (!document.IsObject()) continue;
    auto maybeData = getObject(document, "data");
    if (maybeData == nullptr) continue;
    auto& data = KJ_ASSERT_NONNULL(maybeData);
    auto type = getString(document, "type").orDefault("");
    if (type == "end") {
      // ripgrep goes on behind a NUL in a file that it was given by name; the search by directory
      // ends there.
      KJ_IF_MAYBE (binary, getInt(data, "binary_offset")) {
        while (matches.size() > fileStart && matches.back().offset >= uint64_t(*binary))
          matches.pop_back();
      }
      fileStart = matches.size();
    } else if (type == "match") {
      Match match;
      KJ_IF_MAYBE (path, getObject(data, "path")) {
        match.path = bytesOf(*path);
      }
      KJ_IF_MAYBE (lines, getObject(data, "lines")) {
        match.text = bytesOf(*lines);
      }
      match.line = getInt(data, "line_number").orDefault(0);
      match.offset = getInt(data, "absolute_offset").orDefault(0);
      matches.push_back(std::move(match));
    }
  }
  return matches;
}

// The line as it is shown: with its line ending, long ones cut.
std::string shownLine(const Match& match) {
  auto text = decodeUtf8(chars(match.text).asBytes());
  std::string out;
  if (text.size() <= GREP_LINE_CHARS) {
    appendUtf8(out, text);
    return out;
  }
  text.resize(GREP_LINE_CHARS);
  if ((text.back() & 0xfc00) == 0xd800) text.pop_back();
  appendUtf8(out, text);
  return out + "...";
}

bool isRegexError(std::string_view text) {
  return text.find("regex parse error") != std::string_view::npos ||
         text.find("error parsing regex") != std::string_view::npos;
}

ToolResult matchesResult(kj::StringPtr pattern, std::string_view dir,
                         const std::vector<Match>& matches) {
  std::string body, current;
  uint64_t count = 0;
  bool truncated = false;
  for (auto& match : matches) {
    auto path = found(dir, match.path);
    std::string block;
    if (count == 0 || path != current) {
      block += count == 0 ? "" : "\n\n";
      block += view(validUtf8(chars(path).asBytes()));
      block += ":";
    }
    block += "\n  Line " + std::to_string(match.line) + ": " + shownLine(match);
    if (count == SEARCH_RESULTS) {
      truncated = true;
      break;
    }
    body += block;
    current = path;
    ++count;
  }
  truncated = truncated || count == SEARCH_RESULTS;

  ToolResult result;
  result.title = validUtf8(pattern.asBytes());
  if (count == 0) {
    result.output = kj::str("No files found");
  } else {
    result.output = kj::str(
        "Found ", count, " matches", truncated ? " (more matches available)" : "", "\n",
        chars(body),
        truncated ? "\n\n(Results truncated. Consider using a more specific path or pattern.)"
                  : "");
  }
  JsonWriter metadata;
  metadata.beginObject().field("matches", count).field("truncated", truncated).endObject();
  result.metadata = metadata.finish();
  return result;
}

}  // namespace

kj::Promise<ToolResult> runGrep(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto pattern = arguments.word("pattern", PATTERN_BYTES);
    auto include = arguments.word("include", PATTERN_BYTES);
    auto path = resolvePath(context.root, arguments.word("path", PATH_BYTES));
    if (pattern.empty()) throw Refusal{kj::str("pattern is required")};
    JsonWriter asked;
    asked.beginObject().field("pattern", chars(pattern));
    if (arguments.has("path")) asked.field("path", chars(arguments.string("path")));
    if (arguments.has("include")) asked.field("include", chars(include));
    asked.endObject();
    passOrRefuse(co_await ask(ui, question("grep", pattern, asked.finish())));

    if (!isInside(context.root, path)) {
      auto kind = co_await look(context, KIND_SCRIPT, kj::arr(toKj(path)));
      passOrRefuse(co_await askExternal(context, ui, path, kind.output.size() > 0));
    }
    kj::Vector<kj::String> args;
    args.add(toKj(path));
    args.add(toKj(dirName(path)));
    args.add(toKj(pattern));
    args.add(toKj(include));
    args.add(kj::str(isPosixRegex(pattern) ? "yes" : "no"));
    std::vector<std::string> names;
    try {
      names = includeNames(include);
    } catch (Refusal&) {
      names = {"*"};  // if ripgrep is there, it says itself what it makes of such a pattern;
                      // parsePlainGrep refuses it
    }
    for (auto& name : names) args.add(toKj(name));
    auto captured = co_await look(context, kj::str(SEARCH_FUNCTIONS, PLAIN_GREP, PLACE, SCRIPT),
                                  args.releaseAsArray(), 64u << 20);
    std::string_view output(reinterpret_cast<const char*>(captured.output.begin()),
                            captured.output.size());
    std::string dir = output.starts_with("d") ? path : dirName(path);
    if (!output.empty()) output.remove_prefix(1);
    std::vector<Match> matches;
    if (output.starts_with("N")) {
      for (auto& match : parsePlainGrep(output.substr(1), include)) {
        matches.push_back({match.path, match.line, 0, match.text});
      }
      co_return matchesResult(toKj(pattern), dir, matches);
    }
    if (!output.starts_with("R")) throw Refusal{kj::str("ripgrep execution failed")};
    auto errors = decodeUtf8(captured.errorOutput);
    auto message = encodeUtf8(trim(errors));
    if (isRegexError(view(message))) {
      throw Refusal{kj::heapString(message.slice(0, std::min<size_t>(message.size(), 8192)))};
    }
    co_return matchesResult(toKj(pattern), dir, parseMatches(output.substr(1)));
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
