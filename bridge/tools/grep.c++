#include "base/coroutine.h"
#include "tools/place.h"
#include "tools/plain-search.h"

#include <algorithm>
#include <cstdlib>

namespace sandbridge {

namespace {

// Searches twice: for the files that match, to choose the newest, and in those for the lines.
// Prints X if the directory cannot be searched, else R and ripgrep's JSON records up to one that is
// too long, for which it prints L (without ripgrep N and what plain_grep prints).
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
        if (length($0) > 65536) { print "L"; exit }
        n++
        print
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
// $1; $3 is the root. Prints which, and where that really is.
constexpr kj::StringPtr START = R"sh(
root=$3
if [ -d "$1" ]; then
  printf d
  start=$1
else
  printf f
  start=$2
fi
place "$start"
printf '%s\0' "$place"
shift 3
set -- "$start" "$@"
)sh"_kj;

constexpr kj::StringPtr KIND_SCRIPT = R"(if [ -d "$1" ]; then printf d; fi)"_kj;

struct Match {
  std::string path;  // as ripgrep printed it
  uint64_t line = 0;
  uint64_t offset = 0;
  std::string text;  // the whole line
};

// What is no UTF-8, ripgrep reports in another form, with "bytes" for "text".
std::string stringOf(const JsonValue& data, kj::StringPtr name) {
  KJ_IF_MAYBE (value, getObject(data, name)) {
    KJ_IF_MAYBE (text, getString(*value, "text")) {
      return std::string(view(*text));
    }
  }
  throw Refusal{kj::str("Invalid ripgrep match output")};
}

// Like OpenCode, gives the whole search up for a line that ripgrep cannot report in short.
std::vector<Match> parseMatches(std::string_view output) {
  std::vector<Match> matches;
  size_t fileStart = 0;
  for (auto line : splitLines(output)) {
    if (line == "L") throw Refusal{kj::str("Ripgrep JSON record exceeded 65536 bytes")};
    auto maybe = tryParseJson(chars(line));
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
      match.path = stringOf(data, "path");
      match.text = stringOf(data, "lines");
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
    args.add(toKj(context.root));
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
    auto captured = co_await look(context, kj::str(PLACE_FUNCTION, SEARCH_FUNCTIONS, PLAIN_GREP, START, SCRIPT),
                                  args.releaseAsArray(), 64u << 20);
    std::string_view output(reinterpret_cast<const char*>(captured.output.begin()),
                            captured.output.size());
    std::string dir = output.starts_with("d") ? path : dirName(path);
    if (!output.empty()) output.remove_prefix(1);
    auto place = takePlace(output);
    if (leadsOut(context.root, path, place)) passOrRefuse(co_await askExternal(context, ui, path, true, place));
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
