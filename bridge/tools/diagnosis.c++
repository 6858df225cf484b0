#include "tools/diagnosis.h"

#include "base/coroutine.h"
#include "tools/questions.h"

#include <algorithm>

namespace sandbridge {

namespace {

// OpenCode's.
constexpr size_t LINES_SHOWN = 20;
constexpr size_t OTHER_FILES = 5;
// Ours: what the errors may add to an answer, and to its metadata.
constexpr size_t TEXT_BYTES = 40u << 10;
constexpr size_t METADATA_BYTES = 256u << 10;
// A bigger file is not sent to a server.
constexpr size_t FILE_UNITS = 1u << 20;

constexpr unsigned ERROR_SEVERITY = 1;

// OpenCode's block, or nothing without errors.
kj::String block(const FileDiagnostics& file, std::string_view path) {
  kj::Vector<kj::String> lines;
  size_t more = file.moreErrors;
  for (auto& diagnostic : file.list) {
    if (diagnostic.severity != ERROR_SEVERITY) continue;
    if (lines.size() == LINES_SHOWN) {
      ++more;
      continue;
    }
    lines.add(kj::str("ERROR [", diagnostic.start.line + 1, ":", diagnostic.start.character + 1, "] ",
                      chars(diagnostic.message)));
  }
  if (lines.empty()) return nullptr;
  if (more > 0) lines.add(kj::str("... and ", more, " more"));
  return kj::str("<diagnostics file=\"", chars(path), "\">\n", kj::strArray(lines, "\n"),
                 "\n</diagnostics>");
}

void writePosition(JsonWriter& json, kj::StringPtr name, const Diagnostic::Position& position) {
  json.key(name)
      .beginObject()
      .field("line", position.line)
      .field("character", position.character)
      .endObject();
}

void writeDiagnostic(JsonWriter& json, const Diagnostic& diagnostic) {
  json.beginObject().key("range").beginObject();
  writePosition(json, "start", diagnostic.start);
  writePosition(json, "end", diagnostic.end);
  json.endObject();
  if (diagnostic.severity > 0) json.field("severity", diagnostic.severity);
  if (auto number = std::get_if<int64_t>(&diagnostic.code)) json.field("code", *number);
  if (auto text = std::get_if<std::string>(&diagnostic.code)) json.field("code", chars(*text));
  if (!diagnostic.source.empty()) json.field("source", chars(diagnostic.source));
  json.field("message", chars(diagnostic.message)).endObject();
}

size_t costOf(const FileDiagnostics& file) {
  constexpr size_t AROUND = 160;  // the names of the members, about
  size_t cost = AROUND + file.path.size();
  for (auto& diagnostic : file.list) {
    cost += AROUND + diagnostic.message.size() + diagnostic.source.size();
  }
  return cost;
}

}  // namespace

Diagnosis::Diagnosis(ToolContext& context, ToolUi& ui) : root(context.root), room(TEXT_BYTES) {
  if (!ui.wantsDiagnostics()) return;
  KJ_IF_MAYBE (s, context.servers) servers = **s;
}

void Diagnosis::changed(const std::string& name, TextView text) {
  KJ_IF_MAYBE (s, servers) {
    auto path = resolvePath(root, name);
    if (text.size() > FILE_UNITS || !s->mayKnow(path)) return;
    auto same = std::find_if(files.begin(), files.end(), [&](auto& file) { return file.path == path; });
    if (same != files.end()) files.erase(same);
    files.push_back({path, encodeUtf8(text)});
  }
}

void Diagnosis::removed(const std::string& name) {
  KJ_IF_MAYBE (s, servers) s->removed(resolvePath(root, name));
}

kj::Promise<void> Diagnosis::ask() {
  if (files.empty()) co_return;
  found = co_await KJ_ASSERT_NONNULL(servers).check(std::move(files));
}

kj::String Diagnosis::section(const FileDiagnostics& file, std::string_view name,
                              std::string_view where) {
  auto text = block(file, name);
  if (text.size() == 0) return nullptr;
  auto section = kj::str("\n\nLSP errors detected in ", chars(where), ":\n", text);
  if (section.size() > room) return nullptr;
  room -= section.size();
  return section;
}

kj::String Diagnosis::errorsIn(const std::string& name, std::string_view where) {
  if (found.empty()) return nullptr;
  auto path = resolvePath(root, name);
  for (auto& file : found) {
    if (file.path == path) return section(file, name, where);
  }
  return nullptr;
}

kj::String Diagnosis::errorsAround(const std::string& name) {
  if (found.empty()) return nullptr;
  auto path = resolvePath(root, name);
  kj::Vector<kj::String> sections;
  size_t others = 0;
  for (auto& file : found) {
    bool isThis = file.path == path;
    if (!isThis && others == OTHER_FILES) continue;
    auto text = isThis ? section(file, name, "this file, please fix")
                       : section(file, file.path, "other files");
    if (text.size() > 0 && !isThis) ++others;
    sections.add(kj::mv(text));
  }
  return kj::strArray(sections, "");
}

void Diagnosis::write(JsonWriter& metadata) const {
  size_t left = METADATA_BYTES;
  metadata.key("diagnostics").beginObject();
  for (auto& file : found) {
    auto cost = costOf(file);
    if (cost > left) continue;
    left -= cost;
    metadata.key(toKj(file.path)).beginArray();
    for (auto& diagnostic : file.list) writeDiagnostic(metadata, diagnostic);
    metadata.endArray();
  }
  metadata.endObject();
}

}  // namespace sandbridge
