// list: the files below a directory as a tree, as OpenCode had it before 1.18.

#include "base/coroutine.h"
#include "tools/glob-pattern.h"
#include "tools/place.h"
#include "tools/search.h"

#include <algorithm>
#include <map>

namespace sandbridge {

namespace {

constexpr size_t MOST_FILES = 100;

// Prints F if the path is a file, X if it cannot be entered, else where it really is up to a NUL, R and the names of files, each ending in NUL. What nobody
// wants to see is not looked at: `$@` behind the directory are patterns.
constexpr kj::StringPtr SCRIPT = R"sh(
dir=$1 root=$2
shift 2
if [ -f "$dir" ]; then printf F; exit 0; fi
place "$dir"
cd -- "$dir" 2>/dev/null || { printf X; exit 0; }
printf '%s\0R' "$place"
if with_rg; then
  for pattern do
    set -- "$@" "--glob=!$pattern"
    shift
  done
  rg --no-config --files --hidden --null "$@" . </dev/null 2>/dev/null
else
  for pattern do
    case $pattern in
      */*) set -- "$@" -o -path "./$pattern" ;;
      *) set -- "$@" -o -name "$pattern" ;;
    esac
    shift
  done
  find . \( -name .git "$@" \) -prune -o -type f -print0 2>/dev/null
fi | head -c 8388608
exit 0
)sh"_kj;

// OpenCode's, but for .git, which is left out at any depth. A slash binds a pattern to the top.
constexpr kj::StringPtr HIDDEN[] = {
    "node_modules/*"_kj, "__pycache__/*"_kj, ".git"_kj, "dist/*"_kj, "build/*"_kj, "target/*"_kj,
    "vendor/*"_kj, "bin/*"_kj, "obj/*"_kj, ".idea/*"_kj, ".vscode/*"_kj, ".zig-cache/*"_kj,
    "zig-out*"_kj, ".coverage*"_kj, "coverage/*"_kj, "tmp/*"_kj, "temp/*"_kj, ".cache/*"_kj,
    "cache/*"_kj, "logs/*"_kj, ".venv/*"_kj, "venv/*"_kj, "env/*"_kj};

struct Directory {
  std::map<std::string, Directory> directories;
  std::vector<std::string> files;
};

void write(std::string& out, const Directory& directory, size_t depth) {
  for (auto& [name, inner] : directory.directories) {
    out.append(2 * depth, ' ').append(name).append("/\n");
    write(out, inner, depth + 1);
  }
  for (auto& file : directory.files) out.append(2 * depth, ' ').append(file).append("\n");
}

bool isIgnored(const std::vector<GlobPattern>& ignored, std::string_view path) {
  for (auto& pattern : ignored) {
    for (size_t end = 0; end != std::string_view::npos;) {
      end = path.find('/', end + (end > 0 ? 1 : 0));
      if (pattern.matches(path.substr(0, end), end != std::string_view::npos)) return true;
    }
  }
  return false;
}

std::vector<GlobPattern> parseIgnored(kj::StringPtr json) {
  std::vector<GlobPattern> patterns;
  auto document = parseJson(json);
  for (auto& item : document.GetArray()) {
    if (!item.IsString()) throw Refusal{kj::str("The list tool's \"ignore\" is a list of patterns.")};
    std::string pattern(view(stringOf(item)));
    if (pattern.starts_with('!')) pattern.erase(0, 1);
    patterns.emplace_back(pattern);
  }
  return patterns;
}

}  // namespace

kj::Promise<ToolResult> runList(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto base = resolvePath(context.root, arguments.word("path", PATH_BYTES));
    auto ignored = parseIgnored(arguments.json("ignore"));
    passOrRefuse(co_await askExternal(context, ui, base, true));
    JsonWriter asked;
    asked.beginObject().field("path", chars(base)).endObject();
    passOrRefuse(co_await ask(ui, question("list", base, asked.finish())));

    kj::Vector<kj::String> args;
    args.add(toKj(base));
    args.add(toKj(context.root));
    for (auto name : HIDDEN) args.add(kj::str(name));
    auto captured = co_await look(context, kj::str(PLACE_FUNCTION, SEARCH_FUNCTIONS, SCRIPT), args.releaseAsArray(), 9u << 20);
    std::string_view output(reinterpret_cast<const char*>(captured.output.begin()), captured.output.size());
    auto shownBase = validUtf8(chars(base).asBytes());
    if (output == "F") throw Refusal{kj::str("list path must be a directory: ", shownBase)};
    auto place = takePlace(output);
    if (leadsOut(context.root, base, place)) passOrRefuse(co_await askExternal(context, ui, base, true, place));
    if (!output.starts_with("R")) throw Refusal{fileSystemError("NotFound", "readDirectory", base)};

    std::vector<std::string> files;
    for (auto name : splitNul(output.substr(1))) {
      if (name.starts_with("./")) name.remove_prefix(2);
      if (!isIgnored(ignored, name)) files.emplace_back(name);
    }
    std::sort(files.begin(), files.end());
    bool truncated = files.size() > MOST_FILES;
    if (truncated) files.resize(MOST_FILES);
    Directory top;
    for (auto& file : files) {
      auto* at = &top;
      std::string_view rest = file;
      for (size_t slash; (slash = rest.find('/')) != std::string_view::npos; rest.remove_prefix(slash + 1)) {
        at = &at->directories[std::string(rest.substr(0, slash))];
      }
      at->files.emplace_back(rest);
    }
    std::string tree;
    write(tree, top, 1);

    ToolResult result;
    result.title = toKj(shownPath(context, base));
    result.output = kj::str(shownBase, shownBase.endsWith("/") ? "\n" : "/\n", validUtf8(chars(tree).asBytes()));
    JsonWriter metadata;
    metadata.beginObject().field("count", uint64_t(files.size())).field("truncated", truncated).endObject();
    result.metadata = metadata.finish();
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
