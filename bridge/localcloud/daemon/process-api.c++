#include "process-api.h"

#include "base/coroutine.h"
#include "event-streams.h"
#include "replies.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr uint64_t MAX_STDIN_BYTES = 64u << 20;
constexpr size_t STDIN_CHUNK = 256u << 10;

using Response = kj::HttpService::Response;

void putManaged(JsonWriter& json, Managed& managed) {
  static constexpr kj::StringPtr STATUS[] = {"running"_kj, "backing_off"_kj, "stopped"_kj};
  static constexpr kj::StringPtr HEALTH[] = {"disabled"_kj, "starting"_kj, "healthy"_kj, "unhealthy"_kj};
  static constexpr kj::StringPtr POLICY[] = {"never"_kj, "on_failure"_kj, "always"_kj};
  json.beginObject().field("id", managed.id);
  KJ_IF_MAYBE (name, managed.name) json.field("name", *name);
  json.field("status", STATUS[managed.status()]).field("restart_count", managed.restartCount());

  auto& policy = managed.policy;
  json.key("restart").beginObject().field("policy", POLICY[policy.when]);
  KJ_IF_MAYBE (max, policy.maxRestarts) json.field("max_restarts", *max);
  json.field("initial_backoff_ms", policy.initialBackoffMs);
  json.field("max_backoff_ms", policy.maxBackoffMs).endObject();

  KJ_IF_MAYBE (check, managed.check) {
    json.key("health_check").beginObject().field("type", check->http ? "http" : "tcp");
    json.field("port", uint(check->port));
    if (check->http) json.field("path", check->path);
    json.field("initial_delay_ms", check->initialDelayMs).field("interval_ms", check->intervalMs);
    json.field("timeout_ms", check->timeoutMs).field("failure_threshold", check->failureThreshold);
    json.endObject();
  }
  json.field("health_status", HEALTH[managed.health()]);
  json.field("consecutive_health_failures", managed.failuresInARow());
  KJ_IF_MAYBE (exit, managed.lastExit()) {
    json.key("last_exit").beginObject();
    json.field(exit->status == Process::SIGNALED ? "signal" : "exit_code", exit->value);
    json.field("oom_killed", exit->oomKilled).field("ended_at", exit->endedAt).endObject();
  }
  KJ_IF_MAYBE (error, managed.lastError()) json.field("last_error", *error);
  KJ_IF_MAYBE (due, managed.nextRestartAt()) json.field("next_restart_at", *due);
  json.endObject();
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

void ProcessApi::put(JsonWriter& json, Process& process) {
  json.beginObject().field("handle", process.handle).field("pid", process.pid);
  switch (process.status()) {
    case Process::RUNNING: json.field("status", "running"); break;
    case Process::EXITED: json.field("status", "exited").field("exit_code", process.value()); break;
    case Process::SIGNALED:
      json.field("status", process.oomKilled() ? "oom_killed" : "signaled").field("signal", process.value());
      if (process.oomKilled()) json.field("oom_killed", true);
      break;
  }
  KJ_IF_MAYBE (name, process.name) json.field("name", *name);
  json.field("stdin_writable", process.stdinWritable()).field("command", process.program);
  json.key("args").beginArray();
  for (auto& argument : process.arguments) json.value(argument);
  json.endArray().field("started_at", process.startedAt);
  if (process.status() != Process::RUNNING) json.field("ended_at", process.endedAt());
  KJ_IF_MAYBE (managed, supervisor.find(process)) {
    json.key("managed");
    putManaged(json, **managed);
  }
  json.endObject();
}

kj::Promise<void> ProcessApi::send(Response& response, uint status, Process& process) {
  JsonWriter json;
  put(json, process);
  return sendJson(response, table, status, json.finish());
}

void ProcessApi::end(Process& process) {
  KJ_IF_MAYBE (managed, supervisor.find(process)) {
    (*managed)->stop();
  } else if (!process.killGroup()) {
    throw ApiError{500, kj::str("Process ", process.pid, " is not running"), "INTERNAL_ERROR"_kj};
  }
}

kj::Promise<void> ProcessApi::restart(Response& response, kj::Own<Process> process) {
  kj::Own<Managed> managed;
  KJ_IF_MAYBE (m, supervisor.find(*process)) {
    managed = kj::mv(*m);
  } else {
    throw ApiError{400, kj::str("Process ", process->pid, " is not managed"), ""_kj};
  }
  auto restarting = managed->restart();
  return restarting.then([this, &response, managed = kj::mv(managed)]() mutable {
    return send(response, 200, managed->process());
  }, [this, &response](kj::Exception&& e) { return sendError(response, table, toApiError(e)); });
}

kj::Promise<void> ProcessApi::list(Response& response) {
  JsonWriter json;
  json.beginObject().key("processes").beginArray();
  for (auto& process : processes.list()) put(json, *process);
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
      return send(response, 200, *process);
    }
    if (method != Method::DELETE) throw wrongMethod();
    end(*process);
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
    if (method != Method::POST) throw wrongMethod();
    return restart(response, kj::mv(process));
  }
  if (parts.size() == 5 || follow) {
    kj::Maybe<OutputSelection> selection;
    if (what == "stdout") selection = OutputSelection::STDOUT;
    if (what == "stderr") selection = OutputSelection::STDERR;
    if (what == "output") selection = OutputSelection::BOTH;
    KJ_IF_MAYBE (s, selection) {
      if (method != Method::GET) throw wrongMethod();
      if (!follow) return sendOutput(response, table, *process, *s);
      return followProcess(table, response, kj::mv(process), *s, time.timer);
    }
  }
  throw notFoundRoute();
}

kj::Promise<void> ProcessApi::start(Response& response, kj::Promise<kj::Array<char>> body) {
  auto bytes = co_await body;
  kj::Own<Process> process;
  auto error = attempt([&]() {
    auto request = StartRequest::parse(bytes, defaultFolder);
    KJ_IF_MAYBE (managed, request.managed) {
      auto made = supervisor.start(kj::mv(request.command), kj::mv(request.name), kj::mv(*managed));
      process = kj::addRef(made->process());
    } else {
      process = processes.start(request.command, nullptr);
    }
  });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  co_await send(response, 201, *process);
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
    process = processes.start(request.command, nullptr);
  });
  KJ_IF_MAYBE (e, error) {
    co_await sendError(response, table, *e);
    co_return;
  }
  co_await followRun(table, response, kj::mv(process), timeout, time);
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
