#include "base/coroutine.h"
#include "tools/place.h"
#include "tools/plain-search.h"

#include <algorithm>

namespace sandbridge {

namespace {

// Prints F if the path is a file, X if it cannot be searched, else where it really is up to a NUL, then R and the names, or,
// without ripgrep, N and the files.
constexpr kj::StringPtr SCRIPT = R"sh(
dir=$1 pattern=$2 deep=$3 root=$4
if [ -f "$dir" ]; then printf F; exit 0; fi
place "$dir"
cd -- "$dir" 2>/dev/null || { printf X; exit 0; }
printf '%s\0' "$place"
if with_rg; then
  printf R
  rg --no-config --files --null --glob="$pattern" --glob='!**/.git/**' . </dev/null 2>/dev/null |
    head -c 8388608 | newest
else
  printf N
  plain_files "$deep"
fi
exit 0
)sh"_kj;

}  // namespace

kj::Promise<ToolResult> runGlob(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto pattern = arguments.word("pattern", PATTERN_BYTES);
    auto base = resolvePath(context.root, arguments.word("path", PATH_BYTES));
    JsonWriter asked;
    asked.beginObject().field("pattern", chars(pattern));
    if (arguments.has("path")) asked.field("path", chars(arguments.string("path")));
    asked.endObject();
    passOrRefuse(co_await ask(ui, question("glob", pattern, asked.finish())));

    auto captured = co_await look(
        context, kj::str(PLACE_FUNCTION, SEARCH_FUNCTIONS, PLAIN_FILES, SCRIPT),
        kj::arr(toKj(base), toKj(pattern), kj::str(pattern.starts_with('!') ? "deep" : ""), toKj(context.root)),
        24u << 20);
    std::string_view output(reinterpret_cast<const char*>(captured.output.begin()),
                            captured.output.size());
    if (output == "F") {
      throw Refusal{kj::str("glob path must be a directory: ", validUtf8(chars(base).asBytes()))};
    }
    auto place = takePlace(output);
    passOrRefuse(co_await askExternal(context, ui, base, true, place));
    std::vector<std::string> names;
    if (output.starts_with("R")) {
      for (auto name : splitNul(output.substr(1))) names.emplace_back(name);
    } else if (output.starts_with("N")) {
      names = plainGlob(output.substr(1), pattern);
    } else {
      throw Refusal{kj::str("ripgrep execution failed")};
    }

    std::string list;
    uint64_t count = 0;
    bool truncated = false;
    for (auto& name : names) {
      auto path = std::string(view(validUtf8(chars(found(base, name)).asBytes())));
      if (count == SEARCH_RESULTS) {
        truncated = true;
        break;
      }
      if (count++ > 0) list += '\n';
      list += path;
    }
    truncated = truncated || count == SEARCH_RESULTS;

    ToolResult result;
    result.title = validUtf8(chars(shownPath(context, base)).asBytes());
    if (count == 0) list = "No files found";
    result.output = truncated
                        ? kj::str(chars(list), "\n\n(Results are truncated: showing first ", count,
                                  " results. Consider using a more specific path or pattern.)")
                        : toKj(list);
    JsonWriter metadata;
    metadata.beginObject().field("count", count).field("truncated", truncated).endObject();
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
