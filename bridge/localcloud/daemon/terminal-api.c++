#include "terminal-api.h"

#include "base/coroutine.h"
#include "replies.h"
#include "secrets.h"
#include "terminal-socket.h"

namespace sandbridge::localcloud::daemon {

namespace {

// What programs on a terminal expect, unless the client says otherwise.
constexpr kj::StringPtr TERMINAL_TYPE = "xterm-256color"_kj;

void putTerminal(JsonWriter& json, Terminal& terminal) {
  json.beginObject().field("session_id", terminal.id).field("pid", terminal.pid);
  json.field("command", terminal.program).key("args").beginArray();
  for (auto& argument : terminal.arguments) json.value(argument);
  json.endArray();
  json.field("rows", uint(terminal.size().rows)).field("cols", uint(terminal.size().columns));
  json.field("created_at", terminal.createdAt);
  if (!terminal.isAlive()) json.field("ended_at", terminal.endedAt());
  KJ_IF_MAYBE (code, terminal.exitCode()) json.field("exit_code", *code);
  json.field("is_alive", terminal.isAlive()).endObject();
}

}  // namespace

kj::Promise<void> TerminalApi::serve(const kj::HttpHeaderTable& table, kj::HttpMethod method, Url url,
                                     const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                                     Response& response) {
  using Method = kj::HttpMethod;
  auto& parts = url.parts;
  if (parts.size() == 3) {
    if (method == Method::GET) return list(table, response);
    if (method == Method::POST) return start(table, response, readJson(headers, body));
    throw wrongMethod();
  }

  auto found = terminals.find(parts[3]);
  if (parts.size() == 5 && parts[4] == "ws") {
    if (method != Method::GET) throw wrongMethod();
    kj::StringPtr token = url.parameter("token").orDefault(headers.get(tokenHeader).orDefault(""));
    KJ_IF_MAYBE (terminal, found) {
      if (equalSecrets((*terminal)->token, token)) {
        if (!headers.isWebSocket()) {
          throw ApiError{400, kj::str("This route is a WebSocket"), ""_kj};
        }
        return attach(table, response, kj::mv(*terminal));
      }
    }
    throw ApiError{403, kj::str("Invalid token"), "INVALID_TOKEN"_kj};
  }

  kj::Own<Terminal> terminal;
  KJ_IF_MAYBE (t, found) {
    terminal = kj::mv(*t);
  } else {
    throw ApiError{404, kj::str("PTY session ", parts[3], " not found"), "SESSION_NOT_FOUND"_kj};
  }
  if (parts.size() == 4 && method == Method::GET) {
    JsonWriter json;
    putTerminal(json, *terminal);
    return sendJson(response, table, 200, json.finish());
  }
  if (parts.size() == 4 && method == Method::DELETE) {
    terminal->terminate();
    return sendNothing(response, table);
  }
  if (parts.size() == 5 && parts[4] == "resize" && method == Method::POST) {
    return resize(table, response, kj::mv(terminal), readJson(headers, body));
  }
  if (parts.size() == 4 || (parts.size() == 5 && parts[4] == "resize")) throw wrongMethod();
  throw notFoundRoute();
}

kj::Promise<void> TerminalApi::start(const kj::HttpHeaderTable& table, Response& response,
                                     kj::Promise<kj::Array<char>> body) {
  auto bytes = co_await body;
  kj::Own<Terminal> terminal;
  auto error = attempt([&]() {
    auto request = TerminalRequest::parse(bytes, defaultFolder);
    if (terminals.isFull()) {
      throw ApiError{429, kj::str("Maximum number of concurrent PTY sessions (", Terminals::MAX_SESSIONS,
                                  ") reached"), "TOO_MANY_SESSIONS"_kj};
    }
    bool hasType = false;
    for (auto& entry : request.command.environment) hasType = hasType || entry.name == "TERM";
    if (!hasType) request.command.environment.add(EnvironmentEntry{kj::str("TERM"), kj::str(TERMINAL_TYPE)});
    terminal = terminals.start(kj::mv(request.command), request.size);
  });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  JsonWriter json;
  json.beginObject().field("session_id", terminal->id).field("token", terminal->token).endObject();
  co_await sendJson(response, table, 201, json.finish());
}

kj::Promise<void> TerminalApi::list(const kj::HttpHeaderTable& table, Response& response) {
  JsonWriter json;
  json.beginObject().key("sessions").beginArray();
  for (auto& terminal : terminals.list()) putTerminal(json, *terminal);
  json.endArray().endObject();
  return sendJson(response, table, 200, json.finish());
}

kj::Promise<void> TerminalApi::resize(const kj::HttpHeaderTable& table, Response& response,
                                      kj::Own<Terminal> terminal, kj::Promise<kj::Array<char>> body) {
  auto bytes = co_await body;
  auto error = attempt([&]() { terminal->resize(parseTerminalSize(bytes)); });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  co_await sendNothing(response, table);
}

kj::Promise<void> TerminalApi::attach(const kj::HttpHeaderTable& table, Response& response,
                                      kj::Own<Terminal> terminal) {
  auto socket = response.acceptWebSocket(kj::HttpHeaders(table));
  co_await serveTerminal(kj::mv(terminal), *socket, timer);
}

}  // namespace sandbridge::localcloud::daemon
