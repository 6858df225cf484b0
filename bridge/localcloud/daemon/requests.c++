#include "requests.h"

#include <math.h>
#include <string.h>

#include <kj/encoding.h>

#include "base/json.h"

namespace sandbridge::localcloud::daemon {

namespace {

kj::String decode(kj::ArrayPtr<const char> text, bool form) {
  // KJ stops at nothing: broken escapes stay as they are.
  auto copy = kj::heapString(text);
  if (form) {
    for (char& c : copy) {
      if (c == '+') c = ' ';
    }
  }
  auto decoded = kj::decodeUriComponent(copy);
  return kj::str(kj::mv(decoded));
}

JsonDocument parseObject(kj::ArrayPtr<const char> json) {
  KJ_IF_MAYBE (document, tryParseJson(json)) {
    if (document->IsObject()) return kj::mv(*document);
    throw ApiError{422, kj::str("Failed to deserialize the JSON body: not an object"), ""_kj};
  }
  throw ApiError{400, kj::str("Failed to parse the request body as JSON"), ""_kj};
}

[[noreturn]] void wrongType(kj::StringPtr field) {
  throw ApiError{422, kj::str("Failed to deserialize the JSON body: invalid `", field, "`"), ""_kj};
}

const JsonValue* find(const JsonValue& object, kj::StringPtr name) {
  auto member =
      object.FindMember(JsonValue(rapidjson::StringRef(name.begin(), name.size())));
  if (member == object.MemberEnd() || member->value.IsNull()) return nullptr;
  return &member->value;
}

// Kernel strings end at NUL.
kj::String toText(const JsonValue& value, kj::StringPtr field) {
  if (!value.IsString()) wrongType(field);
  auto text = kj::heapString(value.GetString(), value.GetStringLength());
  if (memchr(text.begin(), 0, text.size()) != nullptr) {
    throw ApiError{400, kj::str("`", field, "` contains a NUL byte"), ""_kj};
  }
  return text;
}

kj::Maybe<uint> toId(const JsonValue& object, kj::StringPtr field) {
  auto value = find(object, field);
  if (value == nullptr) return nullptr;
  if (!value->IsUint()) wrongType("user");
  return value->GetUint();
}

User toUser(const JsonValue& value) {
  if (value.IsString()) return findUser(toText(value, "user"));
  if (value.IsUint()) return findUser(value.GetUint(), nullptr);
  if (!value.IsObject()) wrongType("user");
  auto gid = toId(value, "gid");
  KJ_IF_MAYBE (uid, toId(value, "uid")) return findUser(*uid, gid);
  auto name = find(value, "name");
  auto user = findUser(name == nullptr ? kj::str("root") : toText(*name, "user"));
  KJ_IF_MAYBE (g, gid) return findUser(user.uid, *g);
  return user;
}

// "first" or "second"; true for the second.
bool toMode(const JsonValue& object, kj::StringPtr field, kj::StringPtr first,
            kj::StringPtr second, bool standard) {
  auto value = find(object, field);
  if (value == nullptr) return standard;
  auto text = toText(*value, field);
  if (text == second) return true;
  if (text != first) wrongType(field);
  return false;
}

// What all kinds of commands have.
Command toCommand(const JsonValue& document, kj::StringPtr defaultFolder) {
  Command command;
  auto program = find(document, "command");
  if (program == nullptr) {
    throw ApiError{422, kj::str("Failed to deserialize the JSON body: missing field `command`"),
                   ""_kj};
  }
  command.program = toText(*program, "command");
  if (command.program.size() == 0) throw ApiError{400, kj::str("`command` is empty"), ""_kj};

  kj::Vector<kj::String> arguments;
  if (auto value = find(document, "args")) {
    if (!value->IsArray()) wrongType("args");
    for (auto& argument : value->GetArray()) arguments.add(toText(argument, "args"));
  }
  command.arguments = arguments.releaseAsArray();

  if (auto value = find(document, "env")) {
    if (!value->IsObject()) wrongType("env");
    for (auto& member : value->GetObject()) {
      EnvironmentEntry entry{toText(member.name, "env"), toText(member.value, "env")};
      if (entry.name.size() == 0 || entry.name.findFirst('=') != nullptr) {
        throw ApiError{400, kj::str("`env` has a name that is empty or contains '='"), ""_kj};
      }
      command.environment.add(kj::mv(entry));
    }
  }
  auto folder = find(document, "working_dir");
  command.workingDirectory =
      folder == nullptr ? kj::str(defaultFolder) : toText(*folder, "working_dir");
  if (auto value = find(document, "user")) command.user = toUser(*value);
  return command;
}

uint64_t toNumber(const JsonValue& object, kj::StringPtr field, uint64_t standard, uint64_t max) {
  auto value = find(object, field);
  if (value == nullptr) return standard;
  if (!value->IsUint64() || value->GetUint64() > max) wrongType(field);
  return value->GetUint64();
}

// A day: longer waits are mistakes, and within kj::Duration.
constexpr uint64_t MAX_MS = 86'400'000;

RestartPolicy toRestartPolicy(const JsonValue& value) {
  if (!value.IsObject()) wrongType("restart");
  RestartPolicy policy;
  if (auto when = find(value, "policy")) {
    auto text = toText(*when, "policy");
    if (text == "never") {
      policy.when = RestartPolicy::NEVER;
    } else if (text == "always") {
      policy.when = RestartPolicy::ALWAYS;
    } else if (text != "on_failure") {
      wrongType("policy");
    }
  }
  if (find(value, "max_restarts") != nullptr) {
    policy.maxRestarts = static_cast<uint>(toNumber(value, "max_restarts", 0, UINT32_MAX));
  }
  policy.initialBackoffMs = toNumber(value, "initial_backoff_ms", policy.initialBackoffMs, MAX_MS);
  policy.maxBackoffMs = toNumber(value, "max_backoff_ms", policy.maxBackoffMs, MAX_MS);
  return policy;
}

HealthCheck toHealthCheck(const JsonValue& value) {
  if (!value.IsObject()) wrongType("health_check");
  HealthCheck check;
  auto type = find(value, "type");
  if (type == nullptr) wrongType("type");
  auto kind = toText(*type, "type");
  check.http = kind == "http";
  if (!check.http && kind != "tcp") wrongType("type");
  check.port = static_cast<uint16_t>(toNumber(value, "port", 0, UINT16_MAX));
  if (check.port == 0) wrongType("port");
  if (auto path = find(value, "path")) {
    check.path = toText(*path, "path");
    // It goes into the request as it is.
    bool plain = check.path.startsWith("/");
    for (char c : check.path) plain = plain && c > 0x20 && c < 0x7f;
    if (!plain) throw ApiError{400, kj::str("`path` must begin with '/' and be plain text without blanks"), ""_kj};
  }
  check.initialDelayMs = toNumber(value, "initial_delay_ms", check.initialDelayMs, MAX_MS);
  check.intervalMs = kj::max(uint64_t(1), toNumber(value, "interval_ms", check.intervalMs, MAX_MS));
  check.timeoutMs = kj::max(uint64_t(1), toNumber(value, "timeout_ms", check.timeoutMs, MAX_MS));
  check.failureThreshold =
      static_cast<uint>(kj::max(uint64_t(1), toNumber(value, "failure_threshold", check.failureThreshold, 1000)));
  return check;
}

uint16_t toDimension(const JsonValue& value, kj::StringPtr field) {
  if (!value.IsUint() || value.GetUint() > UINT16_MAX) wrongType(field);
  return static_cast<uint16_t>(value.GetUint());
}

}  // namespace

Url Url::parse(kj::StringPtr url) {
  Url result;
  kj::ArrayPtr<const char> path = url, query;
  KJ_IF_MAYBE (mark, url.findFirst('?')) {
    path = url.slice(0, *mark);
    query = url.slice(*mark + 1);
  }
  for (size_t start = 0, i = 0; i <= path.size(); i++) {
    if (i < path.size() && path[i] != '/') continue;
    if (i > start) {
      auto part = decode(path.slice(start, i), false);
      if (part.size() == 0) throw ApiError{400, kj::str("The path is not well formed"), ""_kj};
      result.parts.add(kj::mv(part));
    }
    start = i + 1;
  }
  for (size_t start = 0, i = 0; i <= query.size(); i++) {
    if (i < query.size() && query[i] != '&') continue;
    if (i == start) {
      start = i + 1;
      continue;
    }
    auto pair = query.slice(start, i);
    start = i + 1;
    auto equals = static_cast<const char*>(memchr(pair.begin(), '=', pair.size()));
    if (equals == nullptr) continue;
    result.parameters.add(Parameter{decode(kj::arrayPtr(pair.begin(), equals), true),
                                    decode(kj::arrayPtr(equals + 1, pair.end()), true)});
  }
  return result;
}

kj::Maybe<kj::StringPtr> Url::parameter(kj::StringPtr name) const {
  for (size_t i = parameters.size(); i-- > 0;) {
    if (parameters[i].name == name) return parameters[i].value.asPtr();
  }
  return nullptr;
}

kj::StringPtr Url::path() const {
  KJ_IF_MAYBE (path, parameter("path")) return *path;
  throw ApiError{400, kj::str("Failed to deserialize query string: missing field `path`"), ""_kj};
}

StartRequest StartRequest::parse(kj::ArrayPtr<const char> json, kj::StringPtr defaultFolder) {
  auto document = parseObject(json);
  StartRequest result;
  result.command = toCommand(document, defaultFolder);
  auto& command = result.command;
  command.pipeStdin = toMode(document, "stdin_mode", "closed", "pipe", false);
  command.captureStdout = !toMode(document, "stdout_mode", "capture", "discard", false);
  command.captureStderr = !toMode(document, "stderr_mode", "capture", "discard", false);

  if (auto value = find(document, "name")) {
    auto name = toText(*value, "name");
    bool digits = true;
    for (char c : name) digits = digits && c >= '0' && c <= '9';
    if (digits || name.size() > 255 || name.findFirst('/') != nullptr) {
      throw ApiError{400, kj::str("`name` must not be empty, all digits, or contain '/'"), ""_kj};
    }
    result.name = kj::mv(name);
  }
  if (auto value = find(document, "timeout")) {
    if (!value->IsNumber()) wrongType("timeout");
    double seconds = value->GetDouble();
    if (!(seconds >= 0)) wrongType("timeout");
    // Ten years are for ever, and within kj::Duration.
    result.timeout = static_cast<int64_t>(fmin(seconds, 3e8) * 1e6) * kj::MICROSECONDS;
  }
  auto restart = find(document, "restart"), check = find(document, "health_check");
  if (result.name != nullptr || restart != nullptr || check != nullptr) {
    auto& managed = result.managed.emplace();
    if (restart != nullptr) managed.restart = toRestartPolicy(*restart);
    if (check != nullptr) managed.check = toHealthCheck(*check);
  }
  return result;
}

int parseSignal(kj::ArrayPtr<const char> json) {
  auto document = parseObject(json);
  auto value = find(document, "signal");
  if (value == nullptr || !value->IsInt()) wrongType("signal");
  return value->GetInt();
}

TerminalRequest TerminalRequest::parse(kj::ArrayPtr<const char> json, kj::StringPtr defaultFolder) {
  auto document = parseObject(json);
  TerminalRequest result{toCommand(document, defaultFolder), TerminalSize()};
  if (auto value = find(document, "rows")) result.size.rows = toDimension(*value, "rows");
  if (auto value = find(document, "cols")) result.size.columns = toDimension(*value, "cols");
  return result;
}

TerminalSize parseTerminalSize(kj::ArrayPtr<const char> json) {
  auto document = parseObject(json);
  auto rows = find(document, "rows"), columns = find(document, "cols");
  if (rows == nullptr) wrongType("rows");
  if (columns == nullptr) wrongType("cols");
  return {toDimension(*rows, "rows"), toDimension(*columns, "cols")};
}

}  // namespace sandbridge::localcloud::daemon
