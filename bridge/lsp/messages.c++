#include "lsp/messages.h"

#include "tools/paths.h"
#include "tools/text.h"

#include <kj/encoding.h>
#include <kj/vector.h>

namespace sandbridge::lsp {

namespace {

constexpr kj::StringPtr SCHEME = "file://"_kj;
constexpr size_t SOURCE_BYTES = 200;
// More than any server asks for at once.
constexpr size_t MOST_ITEMS = 256;
constexpr int64_t METHOD_NOT_FOUND = -32601;

JsonWriter& begin(JsonWriter& json) { return json.beginObject().field("jsonrpc", "2.0"); }

JsonWriter& beginNotification(JsonWriter& json, kj::StringPtr method) {
  return begin(json).field("method", method).key("params").beginObject();
}

kj::String end(JsonWriter& json) {
  json.endObject().endObject();
  return json.finish();
}

void writeFolders(JsonWriter& json, kj::StringPtr root) {
  json.beginArray()
      .beginObject()
      .field("name", "workspace")
      .field("uri", uriOf(view(root)))
      .endObject()
      .endArray();
}

Diagnostic::Position readPosition(const JsonValue& range, kj::StringPtr name) {
  Diagnostic::Position position;
  KJ_IF_MAYBE (object, getObject(range, name)) {
    auto number = [&](kj::StringPtr member) {
      return static_cast<uint64_t>(kj::max(getInt(*object, member).orDefault(0), int64_t(0)));
    };
    position.line = kj::min(number("line"), uint64_t(INT32_MAX));
    position.character = kj::min(number("character"), uint64_t(INT32_MAX));
  }
  return position;
}

std::string cut(kj::StringPtr text, size_t limit) {
  if (text.size() <= limit) return std::string(view(text));
  // Not in the middle of a character.
  while (limit > 0 && (text[limit] & 0xc0) == 0x80) --limit;
  return std::string(text.begin(), limit) + "...";
}

Diagnostic readDiagnostic(const JsonValue& item) {
  Diagnostic diagnostic;
  KJ_IF_MAYBE (range, getObject(item, "range")) {
    diagnostic.start = readPosition(*range, "start");
    diagnostic.end = readPosition(*range, "end");
  }
  auto severity = getInt(item, "severity").orDefault(0);
  if (severity >= 1 && severity <= 4) diagnostic.severity = severity;
  diagnostic.message = cut(getString(item, "message").orDefault(""), MESSAGE_BYTES);
  diagnostic.source = cut(getString(item, "source").orDefault(""), SOURCE_BYTES);
  KJ_IF_MAYBE (code, getString(item, "code")) {
    diagnostic.code = cut(*code, SOURCE_BYTES);
  } else KJ_IF_MAYBE (number, getInt(item, "code")) {
    diagnostic.code = *number;
  }
  return diagnostic;
}

}  // namespace

kj::String uriOf(std::string_view path) {
  kj::Vector<kj::String> parts;
  while (!path.empty()) {
    auto slash = path.find('/');
    parts.add(kj::encodeUriComponent(toKj(path.substr(0, slash))));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) parts.add(kj::String());
  }
  return kj::str(SCHEME, kj::strArray(parts, "/"));
}

kj::Maybe<std::string> pathOf(kj::StringPtr uri) {
  if (!uri.startsWith(kj::str(SCHEME, "/"))) return nullptr;
  auto decoded = kj::decodeUriComponent(uri.slice(SCHEME.size()).asArray());
  if (decoded.hadErrors || !isValidUtf8(decoded.asArray())) return nullptr;
  std::string path(decoded.begin(), decoded.size());
  if (path.find('\0') != std::string::npos) return nullptr;
  return resolvePath("/", path);
}

kj::String initializeRequest(kj::StringPtr root) {
  JsonWriter json;
  begin(json).field("id", INITIALIZE_ID).field("method", "initialize").key("params").beginObject();
  json.key("processId").value(nullptr);
  json.field("rootUri", uriOf(view(root))).key("workspaceFolders");
  writeFolders(json, root);
  json.key("initializationOptions").beginObject().endObject();
  json.key("capabilities").beginObject();
  json.key("window").beginObject().field("workDoneProgress", true).endObject();
  json.key("workspace").beginObject().field("configuration", true).field("workspaceFolders", true);
  json.key("didChangeWatchedFiles").beginObject().field("dynamicRegistration", true).endObject().endObject();
  json.key("textDocument").beginObject();
  json.key("synchronization").beginObject().endObject();
  json.key("publishDiagnostics").beginObject().field("versionSupport", true).endObject();
  json.endObject().endObject();
  return end(json);
}

kj::String initializedNotification() {
  JsonWriter json;
  beginNotification(json, "initialized");
  return end(json);
}

kj::String watchedNotification(std::string_view path, FileEvent event) {
  JsonWriter json;
  beginNotification(json, "workspace/didChangeWatchedFiles").key("changes").beginArray();
  json.beginObject().field("uri", uriOf(path)).field("type", static_cast<int>(event)).endObject().endArray();
  return end(json);
}

kj::String openNotification(std::string_view path, kj::StringPtr language, int64_t version,
                            kj::StringPtr text) {
  JsonWriter json;
  beginNotification(json, "textDocument/didOpen").key("textDocument").beginObject();
  json.field("uri", uriOf(path)).field("languageId", language).field("version", version);
  json.field("text", text).endObject();
  return end(json);
}

kj::String changeNotification(std::string_view path, int64_t version, kj::StringPtr text) {
  JsonWriter json;
  beginNotification(json, "textDocument/didChange").key("textDocument").beginObject();
  json.field("uri", uriOf(path)).field("version", version).endObject();
  json.key("contentChanges").beginArray().beginObject().field("text", text).endObject().endArray();
  return end(json);
}

kj::String closeNotification(std::string_view path) {
  JsonWriter json;
  beginNotification(json, "textDocument/didClose").key("textDocument").beginObject();
  json.field("uri", uriOf(path)).endObject();
  return end(json);
}

kj::String answerTo(kj::StringPtr method, const JsonValue& id, kj::Maybe<const JsonValue&> params,
                    kj::StringPtr root) {
  JsonWriter json;
  begin(json).field("id", id);
  if (method == "workspace/configuration") {
    size_t count = 0;
    KJ_IF_MAYBE (p, params) {
      KJ_IF_MAYBE (items, getArray(*p, "items")) count = kj::min(items->Size(), MOST_ITEMS);
    }
    json.key("result").beginArray();
    for (size_t i = 0; i < count; ++i) json.value(nullptr);
    json.endArray();
  } else if (method == "workspace/workspaceFolders") {
    json.key("result");
    writeFolders(json, root);
  } else if (method == "client/registerCapability" || method == "client/unregisterCapability" ||
             method == "window/workDoneProgress/create" || method == "workspace/diagnostic/refresh") {
    json.key("result").value(nullptr);
  } else {
    json.key("error").beginObject().field("code", METHOD_NOT_FOUND).field("message", "not known here");
    json.endObject();
  }
  json.endObject();
  return json.finish();
}

kj::Maybe<Published> readPublished(const JsonValue& params) {
  Published published;
  KJ_IF_MAYBE (uri, getString(params, "uri")) {
    KJ_IF_MAYBE (path, pathOf(*uri)) {
      published.file.path = kj::mv(*path);
    } else {
      return nullptr;
    }
  } else {
    return nullptr;
  }
  published.version = getInt(params, "version");
  size_t errors = 0, others = 0;
  KJ_IF_MAYBE (items, getArray(params, "diagnostics")) {
    for (auto& item : items->GetArray()) {
      bool isError = getInt(item, "severity").orDefault(0) == 1;
      if (++(isError ? errors : others) > (isError ? ERRORS_KEPT : OTHERS_KEPT)) continue;
      published.file.list.push_back(readDiagnostic(item));
    }
  } else {
    return nullptr;
  }
  published.file.moreErrors = errors - kj::min(errors, ERRORS_KEPT);
  return published;
}

}  // namespace sandbridge::lsp
