#include "tensorlake/messages.h"

#include "base/error.h"
#include "base/json.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

namespace sandbridge::tensorlake {

namespace {

JsonDocument parse(kj::ArrayPtr<const char> text) {
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE (document, parsed) {
    if (document->IsObject()) return kj::mv(*document);
  }
  throwError(ErrorKind::FAILED, "TensorLake's answer is not the JSON object that was expected.");
}

kj::String text(const JsonValue& object, kj::StringPtr name) {
  return kj::heapString(getString(object, name).orDefault(nullptr));
}

const JsonValue& list(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (value, getArray(object, name)) return *value;
  throwError(ErrorKind::FAILED, kj::str("TensorLake's answer has no list \"", name, "\"."));
}

Sandbox readSandbox(const JsonValue& json) {
  Sandbox sandbox;
  if (json.IsObject()) {
    sandbox.id = text(json, "sandbox_id");
    if (sandbox.id.size() == 0) sandbox.id = text(json, "id");
    sandbox.status = text(json, "status");
  }
  if (sandbox.id.size() == 0 || sandbox.status.size() == 0) {
    throwError(ErrorKind::FAILED, "TensorLake described a sandbox without an id or a status.");
  }
  sandbox.name = text(json, "name");
  sandbox.url = text(json, "sandbox_url");
  sandbox.routingHint = text(json, "routing_hint");
  for (auto name : {"error_details", "termination_reason", "reason", "pending_reason"}) {
    if (sandbox.reason.size() == 0) sandbox.reason = text(json, name);
  }
  sandbox.createdAt = getInt(json, "created_at").orDefault(0);
  return sandbox;
}

// None for what an int cannot hold: cut to fit, an exit code of 2^32 would read as success.
kj::Maybe<int> smallInt(const JsonValue& object, kj::StringPtr name) {
  KJ_IF_MAYBE (value, getInt(object, name)) {
    if (*value >= INT_MIN && *value <= INT_MAX) return static_cast<int>(*value);
  }
  return nullptr;
}

// What a process died of. Out of memory is death by SIGKILL, whether or not the signal is told.
kj::Maybe<int> readSignal(const JsonValue& json, bool outOfMemory) {
  KJ_IF_MAYBE (number, smallInt(json, "signal")) {
    if (*number > 0) return *number;
  }
  if (outOfMemory || getBool(json, "oom_killed").orDefault(false)) return SIGKILL;
  return nullptr;
}

ProcessInfo readProcess(const JsonValue& json) {
  ProcessInfo info;
  bool complete = false;
  if (json.IsObject()) {
    KJ_IF_MAYBE (pid, getInt(json, "pid")) {
      info.pid = static_cast<uint32_t>(*pid);
      complete = *pid > 0 && *pid <= 0x7fffffff;
    }
    info.status = text(json, "status");
  }
  if (!complete || info.status.size() == 0) {
    throwError(ErrorKind::FAILED, "TensorLake described a process without a pid or a status.");
  }
  info.exitCode = smallInt(json, "exit_code");
  info.signal = readSignal(json, info.status == "oom_killed");
  return info;
}

}  // namespace

kj::String oneLine(kj::ArrayPtr<const char> raw, kj::StringPtr secret) {
  constexpr size_t LIMIT = 500;
  if (raw.size() > 0 && secret.size() > 0 &&
      memmem(raw.begin(), raw.size(), secret.begin(), secret.size())) {
    return kj::str("(a text that holds the key)");
  }
  kj::Vector<char> out;
  for (char c : raw) {
    if (out.size() >= LIMIT) break;
    bool blank = static_cast<kj::byte>(c) <= ' ' || c == '\x7f';
    if (!blank) {
      out.add(c);
    } else if (out.size() > 0 && out.back() != ' ') {
      out.add(' ');
    }
  }
  auto valid = toValidUtf8(out.asPtr());
  // What replaces a byte is longer than it. Not inside a character, and no blank at the end.
  size_t end = kj::min(valid.size(), LIMIT);
  while (end > 0 && end < valid.size() && (valid[end] & 0xc0) == 0x80) --end;
  if (end > 0 && valid[end - 1] == ' ') --end;
  return kj::heapString(valid.slice(0, end));
}

kj::String toJson(const CreateRequest& request, const Config& defaults) {
  JsonWriter json;
  json.beginObject();
  auto& image = request.image.size() > 0 ? request.image : defaults.image;
  if (image.size() > 0) json.field("image", image);
  json.key("resources").beginObject();
  json.field("cpus", request.cpus > 0 ? request.cpus : defaults.cpus);
  json.field("memory_mb", request.memoryMb > 0 ? request.memoryMb : defaults.memoryMb);
  json.field("disk_mb", request.diskMb > 0 ? request.diskMb : defaults.diskMb);
  json.endObject();
  if (request.timeoutSecs > 0) json.field("timeout_secs", request.timeoutSecs);
  if (request.name.size() > 0) json.field("name", request.name);
  json.endObject();
  return json.finish();
}

kj::String toJson(const ProcessRequest& request) {
  JsonWriter json;
  json.beginObject().field("command", request.command).key("args").beginArray();
  for (auto& arg : request.args) json.value(arg);
  json.endArray();
  if (request.environmentNames.size() > 0) {
    json.key("env").beginObject();
    for (auto i : kj::indices(request.environmentNames)) {
      json.field(request.environmentNames[i], request.environmentValues[i]);
    }
    json.endObject();
  }
  if (request.workingDir.size() > 0) json.field("working_dir", request.workingDir);
  if (request.user.size() > 0) json.field("user", request.user);
  if (request.pipeStdin) json.field("stdin_mode", "pipe");
  json.endObject();
  return json.finish();
}

kj::String signalJson(int number) {
  return kj::str("{\"signal\":", number, "}");
}

Sandbox parseSandbox(kj::ArrayPtr<const char> json) {
  return readSandbox(parse(json));
}

SandboxPage parseSandboxPage(kj::ArrayPtr<const char> json) {
  auto document = parse(json);
  kj::Vector<Sandbox> sandboxes;
  for (auto& item : list(document, "sandboxes").GetArray()) sandboxes.add(readSandbox(item));
  return {sandboxes.releaseAsArray(), text(document, "next_cursor")};
}

ProcessInfo parseProcess(kj::ArrayPtr<const char> json) {
  return readProcess(parse(json));
}

kj::Array<ProcessInfo> parseProcesses(kj::ArrayPtr<const char> json) {
  auto document = parse(json);
  kj::Vector<ProcessInfo> processes;
  for (auto& item : list(document, "processes").GetArray()) processes.add(readProcess(item));
  return processes.releaseAsArray();
}

kj::Array<FileEntry> parseFiles(kj::ArrayPtr<const char> json) {
  auto document = parse(json);
  kj::Vector<FileEntry> files;
  for (auto& item : list(document, "entries").GetArray()) {
    if (!item.IsObject()) continue;
    FileEntry entry;
    entry.name = text(item, "name");
    entry.isDirectory = getBool(item, "is_dir").orDefault(false);
    entry.size = kj::max(getInt(item, "size").orDefault(0), int64_t(0));
    entry.modifiedAt = getInt(item, "modified_at").orDefault(0);
    files.add(kj::mv(entry));
  }
  return files.releaseAsArray();
}

kj::Maybe<ProcessEvent> parseProcessEvent(const StreamEvent& event, kj::StringPtr secret) {
  if (event.name == "eof") return ProcessEvent{ProcessEvent::END_OF_LOG};

  auto parsed = tryParseJson(event.data);
  // Output that is not UTF-8 is no reason to lose sight of the command.
  if (parsed == nullptr) parsed = tryParseJson(toValidUtf8(event.data));
  KJ_IF_MAYBE (json, parsed) {
    if (!json->IsObject()) return nullptr;
    KJ_IF_MAYBE (line, getString(*json, "line")) {
      bool error = text(*json, "stream") == "stderr";
      return ProcessEvent{error ? ProcessEvent::STDERR_LINE : ProcessEvent::STDOUT_LINE,
                          kj::heapString(*line)};
    }
    // A signal counts more than an exit code beside it, which would make a success of it.
    KJ_IF_MAYBE (number, readSignal(*json, false)) {
      return ProcessEvent{ProcessEvent::SIGNALED, kj::String(), *number};
    }
    KJ_IF_MAYBE (code, smallInt(*json, "exit_code")) {
      return ProcessEvent{ProcessEvent::EXITED, kj::String(), *code};
    }
    KJ_IF_MAYBE (pid, smallInt(*json, "pid")) {
      if (*pid > 0) return ProcessEvent{ProcessEvent::STARTED, kj::String(), *pid};
    }
    if (getMember(*json, "error") != nullptr) {
      throwError(ErrorKind::INTERRUPTED,
                 kj::str("TensorLake lost sight of the command: ",
                         parseError(event.data, secret).text));
    }
    return nullptr;
  }
  throwError(
      ErrorKind::INTERRUPTED,
      "TensorLake's event stream holds malformed JSON; whether the command ended is not known.");
}

ErrorBody parseError(kj::ArrayPtr<const char> body, kj::StringPtr secret) {
  auto parsed = tryParseJson(body);
  KJ_IF_MAYBE (json, parsed) {
    auto code = oneLine(text(*json, "code"), secret);
    auto error = oneLine(text(*json, "error"), secret);
    if (error.size() == 0) error = oneLine(text(*json, "message"), secret);
    if (error.size() > 0 || code.size() > 0) return {kj::mv(error), kj::mv(code)};
  }
  return {oneLine(body, secret), kj::String()};
}

}  // namespace sandbridge::tensorlake
