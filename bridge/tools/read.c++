#include "base/coroutine.h"
#include "base/ids.h"
#include "tools/collate.h"
#include "tools/file-kind.h"
#include "tools/look.h"
#include "tools/pager.h"
#include "tools/place.h"

#include <algorithm>
#include <cstdio>

namespace sandbridge {

namespace {

// Everything that an answer about a path can need, in one round trip. First a letter and "<mode
// hex> <size>" (after E a message) up to a NUL, where the path really is up to another, then for
//   E  (no such thing) the names in its directory, "./" before and NUL behind each
//   D  the names of the directories in it (also through links), an empty name, all names
//   U, O  (unreadable, no regular file) nothing
//   C  small file: instruction files, then the content
//   P  big file: instruction files, sample, number of lines, and the page's lines, cut
//   R  big file with carriage returns as line ends: instruction files, sample
//   B  big file that is not text: instruction files, sample
// Instruction files are "<path>\0<content>" + the boundary, then an empty path.
constexpr kj::StringPtr SCRIPT = R"sh(
export LC_ALL=C
path=$1 parent=$2 first=$3 count=$4 inline=$5 instructions=$6 boundary=$7 binary=$8
root=$9
shift 9
names() { find "$@" 2>/dev/null | head -c 16000000; }
place "$path"
if ! out=$(stat -L -c '%f %s' -- "$path" 2>&1); then
  printf 'E%s\0%s\0' "$out" "$place"
  if cd -- "$parent" 2>/dev/null; then names . -mindepth 1 -maxdepth 1 -print0; fi
elif [ -d "$path" ]; then
  if [ -r "$path" ] && cd -- "$path" 2>/dev/null; then
    printf 'D%s\0%s\0' "$out" "$place"
    names . -mindepth 1 -maxdepth 1 -type d -print0
    # find -L leaves out those that lead to where they are.
    names . -mindepth 1 -maxdepth 1 -type l -exec sh -c '
      for link do [ ! -d "$link" ] || printf "%s\0" "$link"; done' sh {} +
    printf '\0'
    names . -mindepth 1 -maxdepth 1 -print0
  else printf 'U%s\0%s\0' "$out" "$place"
  fi
elif [ ! -f "$path" ]; then printf 'O%s\0%s\0' "$out" "$place"
elif [ ! -r "$path" ]; then printf 'U%s\0%s\0' "$out" "$place"
else
  kind=P
  if [ "${out#* }" -le "$inline" ]; then kind=C
  elif [ "$binary" = yes ] || [ "$(head -c 4096 -- "$path" | tr -d '\000' | wc -c)" -lt 4096 ]; then
    kind=B
  else
    cr=$(printf '\r')
    returns=$(tr -cd '\r' <"$path" | wc -c)
    if [ "$returns" -gt 0 ]; then
      [ "$returns" -eq "$(sed -n "/$cr\$/p" <"$path" | wc -l)" ] || kind=R
    fi
  fi
  printf '%s%s\0%s\0' $kind "$out" "$place"
  for dir do
    for name in AGENTS.md CLAUDE.md CONTEXT.md; do
      if [ -f "$dir/$name" ]; then
        printf '%s\0' "$dir/$name"
        head -c "$instructions" -- "$dir/$name"
        printf '%s' "$boundary"
        break
      fi
    done
  done
  printf '\0'
  if [ $kind = C ]; then head -c $((inline + 1)) -- "$path"
  else
    head -c 4096 -- "$path"
    printf '%s' "$boundary"
    if [ $kind = P ]; then
      lines=$(wc -l <"$path")
      [ "$(tail -c 1 -- "$path" | wc -l)" -eq 1 ] || lines=$((lines + 1))
      printf '%s\n' "$lines"
      tail -n "+$first" -- "$path" | head -n "$count" | cut -b 1-6100 | head -c 262144
    fi
  fi
fi
exit 0
)sh"_kj;

// Conversations whose shown instructions are remembered: a session has few, but nothing ends them.
constexpr size_t MOST_CONVERSATIONS = 256;

// After a longer wait for the person's answer the file is looked at again.
constexpr auto STALE = 2 * kj::SECONDS;

struct Instructions {
  std::string path;
  std::string content;
};

// The script's answer, parsed.
struct Sight {
  char kind = 'E';
  StatError error = StatError::NONE;
  uint32_t mode = 0;
  uint64_t size = 0;
  std::string place;
  std::vector<std::string> names, directories;  // without "./"
  std::vector<Instructions> instructions;
  std::string_view body;  // C: the content; P, R, B: the sample
  uint64_t lines = 0;     // P
  std::string_view page;  // P
  kj::Array<kj::byte> storage;

  bool isDirectory() const { return (kind == 'D' || kind == 'U') && (mode & 0170000) == 0040000; }
};

[[noreturn]] void malformed() {
  throwError(ErrorKind::FAILED, "the sandbox's answer about the file broke off");
}

std::string_view takeUntil(std::string_view& text, std::string_view end) {
  size_t at = text.find(end);
  if (at == std::string_view::npos) malformed();
  auto out = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return out;
}

constexpr std::string_view NUL("\0", 1);

std::vector<std::string> takeNames(std::string_view& text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    // A cut list may end in the middle of a name.
    size_t at = text.find('\0');
    if (at == std::string_view::npos) break;
    auto name = text.substr(0, at);
    text.remove_prefix(at + 1);
    if (name.empty()) break;
    names.emplace_back(name.starts_with("./") ? name.substr(2) : name);
  }
  return names;
}

Sight parseSight(kj::Array<kj::byte> output, std::string_view boundary) {
  Sight sight;
  sight.storage = kj::mv(output);
  std::string_view text(reinterpret_cast<const char*>(sight.storage.begin()), sight.storage.size());
  if (text.empty()) malformed();
  sight.kind = text[0];
  text.remove_prefix(1);
  std::string head(takeUntil(text, NUL));
  sight.place = takeUntil(text, NUL);
  if (sight.kind == 'E') {
    sight.error = statErrorOf(head);
    sight.names = takeNames(text);
    return sight;
  }
  unsigned long long size;
  if (sscanf(head.c_str(), "%x %llu", &sight.mode, &size) != 2) malformed();
  sight.size = size;
  if (sight.kind == 'D') {
    sight.directories = takeNames(text);
    sight.names = takeNames(text);
  }
  if (std::string_view("CPRB").find(sight.kind) == std::string_view::npos) return sight;
  for (;;) {
    auto path = takeUntil(text, NUL);
    if (path.empty()) break;
    sight.instructions.push_back({std::string(path), std::string(takeUntil(text, boundary))});
  }
  if (sight.kind == 'C') {
    sight.body = text;
    return sight;
  }
  sight.body = takeUntil(text, boundary);
  if (sight.kind == 'P') {
    sight.lines = strtoull(std::string(takeUntil(text, "\n")).c_str(), nullptr, 10);
    sight.page = text;
  }
  return sight;
}

// Where instructions for a file may stand: the directories from its own up to the workspace,
// without that.
std::vector<std::string> instructionDirs(ToolContext& context, std::string_view path,
                                         const std::set<std::string>& given) {
  std::vector<std::string> dirs;
  size_t bytes = 0;  // they become arguments of the script
  auto dir = dirName(resolvePath(context.root, path));
  while (dir.starts_with(context.root) && dir != context.root && bytes < 48u << 10) {
    bytes += dir.size() + 1;
    bool known = false;
    for (auto name : {"AGENTS.md", "CLAUDE.md", "CONTEXT.md"}) {
      known = known || given.contains(joinPath(dir, name));
    }
    if (!known) dirs.push_back(dir);
    dir = dirName(dir);
  }
  return dirs;
}

kj::Promise<Sight> see(ToolContext& context, std::string path, uint64_t first, uint64_t limit,
                       const std::set<std::string>& given) {
  auto boundary = randomToken();
  kj::Vector<kj::String> args;
  args.add(toKj(path));
  args.add(toKj(dirName(path)));
  args.add(kj::str(first));
  args.add(kj::str(limit));
  args.add(kj::str(READ_INLINE_BYTES));
  args.add(kj::str(INSTRUCTIONS_BYTES + 1));
  args.add(kj::str(boundary));
  args.add(kj::str(hasBinaryName(path) ? "yes" : "no"));
  args.add(toKj(context.root));
  for (auto& dir : instructionDirs(context, path, given)) args.add(toKj(dir));
  auto captured = co_await look(context, kj::str(PLACE_FUNCTION, SCRIPT), args.releaseAsArray(), 40u << 20);
  co_return parseSight(kj::mv(captured.output), view(boundary));
}

Text lowered(TextView text) {
  Text out(text);
  for (auto& c : out) {
    if ((c >= u'A' && c <= u'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
        (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) {
      c += 32;
    } else if (c >= 0x400 && c <= 0x40f) {
      c += 80;
    }
  }
  return out;
}

kj::String missingText(std::string_view path, const std::vector<std::string>& names) {
  auto text = kj::str("File not found: ", validUtf8(chars(path).asBytes()));
  auto base = lowered(decodeUtf8(toKj(baseName(path))));
  std::vector<kj::String> similar;
  for (auto& name : names) {
    auto lower = lowered(decodeUtf8(toKj(name)));
    if (lower.find(base) == Text::npos && base.find(lower) == Text::npos) continue;
    similar.push_back(validUtf8(chars(joinPath(dirName(path), name)).asBytes()));
    if (similar.size() == 3) break;
  }
  if (similar.empty()) return text;
  text = kj::str(text, "\n\nDid you mean one of these?");
  for (auto& name : similar) text = kj::str(text, "\n", name);
  return text;
}

void writeStrings(JsonWriter& json, kj::StringPtr name, const std::vector<std::string>& strings) {
  json.key(name).beginArray();
  for (auto& s : strings) json.value(chars(s));
  json.endArray();
}

kj::String joined(const std::vector<std::string>& lines, size_t count) {
  std::string out;
  for (size_t i = 0; i < lines.size() && i < count; ++i) {
    if (i > 0) out += '\n';
    out += lines[i];
  }
  return toKj(out);
}

ToolResult directoryResult(std::string_view path, const Sight& sight, uint64_t offset,
                           uint64_t limit) {
  std::set<std::string_view> directories(sight.directories.begin(), sight.directories.end());
  std::vector<std::pair<Text, std::string>> sorted;
  for (auto& name : sight.names) {
    auto shown = std::string(view(validUtf8(chars(name).asBytes())));
    if (directories.contains(name)) shown += '/';
    sorted.emplace_back(decodeUtf8(toKj(shown)), shown);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](auto& a, auto& b) { return collatesBefore(a.first, b.first); });

  size_t room = READ_ENTRIES_BYTES;
  std::vector<std::string> entries;
  for (size_t i = offset - 1; i < sorted.size() && entries.size() < limit; ++i) {
    if (sorted[i].second.size() + 1 > room) break;
    room -= sorted[i].second.size() + 1;
    entries.push_back(sorted[i].second);
  }
  bool truncated = offset - 1 + entries.size() < sorted.size();
  auto footer = truncated ? kj::str("\n(Showing ", entries.size(), " of ", sorted.size(),
                                    " entries. Use 'offset' parameter to read beyond entry ",
                                    offset + entries.size(), ")")
                          : kj::str("\n(", sorted.size(), " entries)");
  ToolResult result;
  result.output = kj::str("<path>", chars(path), "</path>\n<type>directory</type>\n<entries>\n",
                          joined(entries, entries.size()), "\n", footer, "\n</entries>");
  JsonWriter json;
  json.beginObject()
      .field("preview", joined(entries, 20))
      .field("truncated", truncated)
      .key("loaded")
      .beginArray()
      .endArray();
  json.key("display").beginObject().field("type", "directory").field("path", chars(path));
  writeStrings(json, "entries", entries);
  json.field("offset", offset)
      .field("totalEntries", uint64_t(sorted.size()))
      .field("truncated", truncated)
      .endObject()
      .endObject();
  result.metadata = json.finish();
  return result;
}

// What the instruction files add to the answer, within their bounds.
std::string reminder(const std::vector<Instructions>& files) {
  std::string out;
  size_t bytes = INSTRUCTIONS_BYTES;
  for (auto& file : files) {
    if (file.content.empty()) continue;
    auto text = file.content.substr(0, bytes);
    bytes -= text.size();
    if (text.size() < file.content.size()) {
      while (!text.empty() && (text.back() & 0xc0) == 0x80) text.pop_back();
      if (!text.empty() && (text.back() & 0x80)) text.pop_back();
      text += "\n(The rest is left out here: read the file for it.)";
    }
    out += out.empty() ? "\n\n<system-reminder>\n" : "\n\n";
    out += "Instructions from: " + file.path + "\n" + text;
  }
  if (!out.empty()) out += "\n</system-reminder>";
  return std::string(view(validUtf8(chars(out).asBytes())));
}

ToolResult textResult(std::string_view path, const Page& page, std::string_view reminder,
                      const std::vector<std::string>& loaded) {
  uint64_t last = page.first + page.lines.size() - 1;
  kj::String footer;
  if (page.capped) {
    footer = kj::str("(Output capped at 50 KB. Showing lines ", page.first, "-", last,
                     ". Use offset=", last + 1, " to continue.)");
  } else if (page.more) {
    footer = kj::str("(Showing lines ", page.first, "-", last, " of ", page.total,
                     ". Use offset=", last + 1, " to continue.)");
  } else {
    footer = kj::str("(End of file - total ", page.total, " lines)");
  }
  std::string numbered, plain;
  size_t preview = 0;
  for (size_t i = 0; i < page.lines.size(); ++i) {
    if (i > 0) {
      numbered += '\n';
      plain += '\n';
    }
    numbered += std::to_string(page.first + i) + ": ";
    appendUtf8(numbered, page.lines[i]);
    appendUtf8(plain, page.lines[i]);
    if (i < 20) preview = plain.size();
  }
  ToolResult result;
  result.output = kj::str("<path>", chars(path), "</path>\n<type>file</type>\n<content>\n",
                          chars(numbered), "\n\n", footer, "\n</content>", chars(reminder));
  JsonWriter json;
  json.beginObject()
      .field("preview", chars(std::string_view(plain).substr(0, preview)))
      .field("truncated", page.more);
  writeStrings(json, "loaded", loaded);
  json.key("display")
      .beginObject()
      .field("type", "file")
      .field("path", chars(path))
      .field("text", chars(plain))
      .field("lineStart", page.first)
      .field("lineEnd", last)
      .field("totalLines", page.total)
      .field("truncated", page.more)
      .endObject()
      .endObject();
  result.metadata = json.finish();
  return result;
}

kj::Promise<ToolResult> attachmentResult(ToolContext& context, std::string path, Sight sight,
                                         kj::StringPtr mime, std::vector<std::string> loaded) {
  kj::Array<const kj::byte> data;
  if (sight.kind == 'C' && sight.body.size() <= READ_INLINE_BYTES) {
    data = kj::heapArray<const kj::byte>(chars(sight.body).asBytes());
  } else {
    kj::Maybe<kj::Array<kj::byte>> whole;
    if (sight.size <= ATTACHMENT_BYTES) {
      auto stream = co_await context.workspace.readFile(toKj(path));
      whole = co_await readAtMost(*stream, ATTACHMENT_BYTES);
    }
    KJ_IF_MAYBE (bytes, whole) {
      data = kj::mv(*bytes);
    } else {
      co_return failedResult(kj::str("File is too large to attach: ", chars(path), " has ",
                                     sight.size, " bytes, at most ", ATTACHMENT_BYTES,
                                     " are possible."));
    }
  }
  ToolResult result;
  result.output = kj::str(mime == "application/pdf"_kj ? "PDF" : "Image", " read successfully");
  JsonWriter json;
  json.beginObject().field("preview", result.output).field("truncated", false);
  writeStrings(json, "loaded", loaded);
  json.endObject();
  result.metadata = json.finish();
  auto attachments = kj::heapArrayBuilder<ToolResult::Attachment>(1);
  attachments.add(ToolResult::Attachment{kj::str(mime), kj::mv(data), kj::str()});
  result.attachments = attachments.finish();
  co_return result;
}

}  // namespace

kj::Promise<ToolResult> runRead(ToolContext& context, Arguments arguments, ToolUi& ui) {
  try {
    auto path = joinToRoot(context.root, arguments.word("filePath", PATH_BYTES));
    auto title = shownPath(context, path);
    auto pathText = std::string(view(validUtf8(chars(path).asBytes())));
    uint64_t first = std::max<uint64_t>(1, arguments.number("offset", 1));
    uint64_t limit = std::min<uint64_t>(arguments.number("limit", READ_LINES), READ_MOST_LINES);

    // Looked up anew after each wait: another read may have had them forgotten.
    std::string conversation(view(ui.conversation()));
    if (context.instructionsGiven.size() > MOST_CONVERSATIONS) context.instructionsGiven.clear();
    auto alreadyGiven = [&]() -> auto& { return context.instructionsGiven[conversation]; };
    Sight sight;
    for (bool allowed = false; !allowed;) {
      sight = co_await see(context, path, first, limit, alreadyGiven());
      auto before = context.timer.now();
      if (sight.kind == 'E' && sight.error != StatError::MISSING) {
        throw Refusal{fileSystemError(tagOf(sight.error), "stat", path)};
      }
      passOrRefuse(co_await askExternal(context, ui, path, sight.isDirectory(), sight.place));
      passOrRefuse(co_await ask(ui, question("read", title, kj::str("{}"))));
      allowed = true;
      if (context.timer.now() - before > STALE) sight = co_await see(context, path, first, limit, alreadyGiven());
    }

    ToolResult result;
    switch (sight.kind) {
      case 'E':
        throw Refusal{missingText(path, sight.names)};
      case 'U':
        throw Refusal{fileSystemError("PermissionDenied", "readFile", path)};
      case 'O':
        throw Refusal{kj::str("Cannot read ", chars(pathText), ": it is ", typeName(sight.mode))};
      case 'D':
        result = directoryResult(pathText, sight, first, limit);
        break;
      default: {
        auto sample = chars(sight.body.substr(0, SAMPLE_BYTES)).asBytes();
        auto mime = attachmentMime(path, sample);
        if (mime.size() == 0 && isBinary(path, sample)) {
          throw Refusal{kj::str("Cannot read binary file: ", chars(pathText))};
        }
        std::vector<Instructions> given;
        std::vector<std::string> loaded;
        for (auto& file : sight.instructions) {
          if (file.path == resolvePath(context.root, path) ||
              alreadyGiven().contains(file.path))
            continue;
          loaded.push_back(file.path);
          given.push_back(file);
        }
        if (mime.size() > 0) {
          result = co_await attachmentResult(context, path, kj::mv(sight), mime, loaded);
        } else {
          auto extra = reminder(given);
          bool inlined = sight.kind == 'C' && sight.body.size() <= READ_INLINE_BYTES;
          Pager pager(first, limit, READ_BYTES, sight.kind == 'P' ? first : 1);
          if (sight.kind == 'P') {
            pager.feed(chars(sight.page).asBytes());
          } else if (inlined) {
            auto whole = chars(sight.body).asBytes();
            pager.feed(whole);
            // Of what is remembered nobody asks where it is.
            if (!leadsOut(context.root, path, sight.place)) {
              context.files.keep(path, kj::heapArray<const kj::byte>(whole));
            }
          } else {
            auto stream = co_await context.workspace.readFile(toKj(path));
            auto buffer = kj::heapArray<kj::byte>(65536);
            while (!pager.isComplete()) {
              size_t n = co_await stream->tryRead(buffer.begin(), 1, buffer.size());
              if (n == 0) break;
              pager.feed(buffer.slice(0, n));
            }
          }
          auto page = pager.finish();
          if (sight.kind == 'P' && !page.capped) {
            page.total = sight.lines;
            page.more = page.first + page.lines.size() <= page.total;
          }
          if (page.total < first && !(page.total == 0 && first == 1)) {
            throw Refusal{kj::str("Offset ", first, " is out of range for this file (", page.total,
                                  " lines)")};
          }
          result = textResult(pathText, page, extra, loaded);
        }
        if (!result.failed) alreadyGiven().insert(loaded.begin(), loaded.end());
      }
    }
    if (!result.failed) result.title = validUtf8(chars(title).asBytes());
    co_return result;
  } catch (Refusal& refusal) {
    co_return failedResult(kj::mv(refusal.text));
  }
}

}  // namespace sandbridge
