#include "process-api.h"

#include "base/coroutine.h"
#include "event-streams.h"
#include "replies.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr uint64_t MAX_STDIN_BYTES = 64u << 20;
constexpr size_t STDIN_CHUNK = 256u << 10;

using Response = kj::HttpService::Response;

void putProcess(JsonWriter& json, Process& process) {
  json.beginObject().field("handle", process.handle).field("pid", process.pid);
  switch (process.status()) {
    case Process::RUNNING: json.field("status", "running"); break;
    case Process::EXITED: json.field("status", "exited").field("exit_code", process.value()); break;
    case Process::SIGNALED: json.field("status", "signaled").field("signal", process.value()); break;
  }
  KJ_IF_MAYBE (name, process.name) json.field("name", *name);
  json.field("stdin_writable", process.stdinWritable()).field("command", process.program);
  json.key("args").beginArray();
  for (auto& argument : process.arguments) json.value(argument);
  json.endArray().field("started_at", process.startedAt);
  if (process.status() != Process::RUNNING) json.field("ended_at", process.endedAt());
  json.endObject();
}

kj::Promise<void> sendProcess(Response& response, const kj::HttpHeaderTable& table, uint status,
                              Process& process) {
  JsonWriter json;
  putProcess(json, process);
  return sendJson(response, table, status, json.finish());
}

// All of stdout before all of stderr, as from TensorLake's two log files.
kj::Promise<void> sendOutput(Response& response, const kj::HttpHeaderTable& table, Process& process,
                             OutputSelection selection) {
  JsonWriter json;
  json.beginObject().field("pid", process.pid).key("lines").beginArray();
  uint64_t count = 0;
  eachLogged(process.output(), selection, [&](const OutputLine& line) {
    json.value(line.text);
    count++;
  });
  json.endArray().field("line_count", count).endObject();
  return sendJson(response, table, 200, json.finish());
}

ApiError stdinNotWritable() {
  return ApiError{400, kj::str("Process stdin is not writable"), "STDIN_NOT_WRITABLE"_kj};
}

}  // namespace

kj::Promise<void> ProcessApi::serve(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                                    kj::AsyncInputStream& body, Response& response) {
  using Method = kj::HttpMethod;
  if (url.parts.size() == 3) {
    if (method == Method::GET) return list(response);
    if (method == Method::POST) return start(response, readJson(headers, body));
    throw wrongMethod();
  }
  if (url.parts.size() == 4 && url.parts[3] == "run" && method == Method::POST) {
    return run(response, readJson(headers, body));
  }
  return ofProcess(method, kj::mv(url), headers, body, response);
}

kj::Promise<void> ProcessApi::list(Response& response) {
  JsonWriter json;
  json.beginObject().key("processes").beginArray();
  for (auto& process : processes.list()) putProcess(json, *process);
  json.endArray().endObject();
  return sendJson(response, table, 200, json.finish());
}

kj::Promise<void> ProcessApi::ofProcess(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) {
  using Method = kj::HttpMethod;
  auto& parts = url.parts;
  kj::Own<Process> process;
  KJ_IF_MAYBE (found, processes.find(parts[3])) {
    process = kj::mv(*found);
  } else {
    throw ApiError{404, kj::str("Process ", parts[3], " not found"), "NOT_FOUND"_kj};
  }
  if (parts.size() == 4) {
    if (method == Method::GET) {
      return sendProcess(response, table, 200, *process);
    }
    if (method != Method::DELETE) throw wrongMethod();
    if (!process->killGroup()) {
      throw ApiError{500, kj::str("Process ", process->pid, " is not running"),
                     "INTERNAL_ERROR"_kj};
    }
    return sendNothing(response, table);
  }
  kj::StringPtr what = parts[4];
  bool follow = parts.size() == 6 && parts[5] == "follow";
  if (parts.size() == 5 && what == "signal") {
    if (method != Method::POST) throw wrongMethod();
    return signal(response, kj::mv(process), readJson(headers, body));
  }
  if (parts.size() == 5 && what == "stdin") {
    if (method != Method::POST) throw wrongMethod();
    return feedStdin(response, kj::mv(process), body, requireLength(body, MAX_STDIN_BYTES));
  }
  if (parts.size() == 6 && what == "stdin" && parts[5] == "close") {
    if (method != Method::POST) throw wrongMethod();
    if (!process->closeStdin()) throw stdinNotWritable();
    return sendNothing(response, table);
  }
  if (parts.size() == 5 && what == "restart") {
    throw ApiError{501, kj::str("The local cloud does not restart processes yet"),
                   "NOT_IMPLEMENTED"_kj};
  }
  if (parts.size() == 5 || follow) {
    kj::Maybe<OutputSelection> selection;
    if (what == "stdout") selection = OutputSelection::STDOUT;
    if (what == "stderr") selection = OutputSelection::STDERR;
    if (what == "output") selection = OutputSelection::BOTH;
    KJ_IF_MAYBE (s, selection) {
      if (method != Method::GET) throw wrongMethod();
      if (!follow) return sendOutput(response, table, *process, *s);
      return followProcess(table, response, kj::mv(process), *s, timer);
    }
  }
  throw notFoundRoute();
}

kj::Promise<void> ProcessApi::start(Response& response, kj::Promise<kj::Array<char>> body) {
  auto bytes = co_await body;
  kj::Own<Process> process;
  auto error = attempt([&]() {
    auto request = StartRequest::parse(bytes, defaultFolder);
    process = processes.start(kj::mv(request.command), kj::mv(request.name));
  });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  co_await sendProcess(response, table, 201, *process);
}

kj::Promise<void> ProcessApi::run(Response& response, kj::Promise<kj::Array<char>> body) {
  auto bytes = co_await body;
  kj::Own<Process> process;
  kj::Maybe<kj::Duration> timeout;
  auto error = attempt([&]() {
    auto request = StartRequest::parse(bytes, defaultFolder);
    request.command.pipeStdin = false;
    request.command.captureStdout = request.command.captureStderr = true;
    timeout = request.timeout;
    process = processes.start(kj::mv(request.command), nullptr);
  });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  co_await followRun(table, response, kj::mv(process), timeout, timer);
}

kj::Promise<void> ProcessApi::signal(Response& response, kj::Own<Process> process,
                         kj::Promise<kj::Array<char>> body) {
  auto bytes = co_await body;
  auto error = attempt([&]() {
    int number = parseSignal(bytes);
    if (process->status() != Process::RUNNING) {
      throw ApiError{400, kj::str("Process ", process->pid, " is not running"), ""_kj};
    }
    if (number < 1 || number > 31) throw ApiError{400, kj::str("Invalid signal number"), ""_kj};
    if (!process->signal(number)) {
      throw ApiError{400, kj::str("Failed to send signal to pid ", process->pid), ""_kj};
    }
  });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  co_await sendJson(response, table, 200, kj::str("{\"success\":true}"));
}

kj::Promise<void> ProcessApi::feedStdin(Response& response, kj::Own<Process> process,
                            kj::AsyncInputStream& body, uint64_t size) {
  bool writable = process->stdinWritable();
  while (size > 0 && writable) {
    auto bytes = kj::heapArray<kj::byte>(kj::min(size, STDIN_CHUNK));
    co_await body.read(bytes.begin(), bytes.size());
    size -= bytes.size();
    writable = co_await process->writeStdin(kj::mv(bytes));
  }
  if (writable) {
    co_await sendNothing(response, table);
  } else {
    co_await sendError(response, table, stdinNotWritable());
  }
}

}  // namespace sandbridge::localcloud::daemon
