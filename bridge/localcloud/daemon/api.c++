#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "event-streams.h"
#include "files.h"
#include "requests.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr kj::StringPtr VERSION = "sandbridge-0.1.0"_kj;

// JSON bodies: an argument list plus an environment, both bounded by the kernel at 2 MiB.
constexpr uint64_t MAX_JSON_BYTES = 8u << 20;
constexpr uint64_t MAX_STDIN_BYTES = 64u << 20;
constexpr size_t STDIN_CHUNK = 256u << 10;

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& json, kj::StringPtr text) { json.String(text.begin(), text.size()); }
void key(Writer& json, kj::StringPtr text) { json.Key(text.begin(), text.size()); }

class Api final : public kj::HttpService {
 public:
  Api(const kj::HttpHeaderTable& table, Processes& processes, kj::Timer& timer,
      kj::String defaultFolder)
      : table(table),
        processes(processes),
        timer(timer),
        defaultFolder(kj::mv(defaultFolder)),
        startedAt(timer.now()) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    kj::Maybe<ApiError> error;
    try {
      return dispatch(method, Url::parse(url), headers, body, response);
    } catch (ApiError& e) {
      error = kj::mv(e);
    } catch (kj::Exception& e) {
      error = toApiError(e);
    }
    return sendError(response, KJ_ASSERT_NONNULL(error));
  }

 private:
  const kj::HttpHeaderTable& table;
  Processes& processes;
  kj::Timer& timer;
  kj::String defaultFolder;
  kj::TimePoint startedAt;

  static ApiError toApiError(const kj::Exception& e) {
    bool invalid = kindOf(e) == ErrorKind::INVALID_ARGUMENT;
    return ApiError{invalid ? 400u : 500u, textOf(e), invalid ? ""_kj : "INTERNAL_ERROR"_kj};
  }

  static kj::StringPtr reason(uint status) {
    switch (status) {
      case 200: return "OK"_kj;
      case 201: return "Created"_kj;
      case 204: return "No Content"_kj;
      case 400: return "Bad Request"_kj;
      case 403: return "Forbidden"_kj;
      case 404: return "Not Found"_kj;
      case 405: return "Method Not Allowed"_kj;
      case 409: return "Conflict"_kj;
      case 411: return "Length Required"_kj;
      case 413: return "Payload Too Large"_kj;
      case 415: return "Unsupported Media Type"_kj;
      case 422: return "Unprocessable Entity"_kj;
      case 501: return "Not Implemented"_kj;
      default: return "Internal Server Error"_kj;
    }
  }

  kj::Promise<void> sendText(Response& response, uint status, kj::StringPtr contentType,
                             kj::String text) {
    kj::HttpHeaders headers(table);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, contentType);
    auto stream = response.send(status, reason(status), headers, text.size());
    auto promise = stream->write(text.begin(), text.size());
    return promise.attach(kj::mv(stream), kj::mv(text));
  }

  kj::Promise<void> sendJson(Response& response, uint status,
                             kj::FunctionParam<void(Writer&)> write) {
    rapidjson::StringBuffer buffer;
    Writer json(buffer);
    write(json);
    return sendText(response, status, "application/json",
                    kj::heapString(buffer.GetString(), buffer.GetSize()));
  }

  kj::Promise<void> sendNothing(Response& response) {
    kj::HttpHeaders headers(table);
    response.send(204, reason(204), headers, uint64_t(0));
    return kj::READY_NOW;
  }

  kj::Promise<void> sendError(Response& response, const ApiError& error) {
    return sendJson(response, error.status, [&](Writer& json) {
      json.StartObject();
      key(json, "error");
      put(json, error.text);
      if (error.code.size() > 0) {
        key(json, "code");
        put(json, error.code);
      }
      json.EndObject();
    });
  }

  static void putProcess(Writer& json, Process& process) {
    json.StartObject();
    key(json, "handle");
    json.Uint64(process.handle);
    key(json, "pid");
    json.Int(process.pid);
    key(json, "status");
    switch (process.status()) {
      case Process::RUNNING: put(json, "running"); break;
      case Process::EXITED: put(json, "exited"); break;
      case Process::SIGNALED: put(json, "signaled"); break;
    }
    if (process.status() == Process::EXITED) {
      key(json, "exit_code");
      json.Int(process.value());
    }
    if (process.status() == Process::SIGNALED) {
      key(json, "signal");
      json.Int(process.value());
    }
    KJ_IF_MAYBE (name, process.name) {
      key(json, "name");
      put(json, *name);
    }
    key(json, "stdin_writable");
    json.Bool(process.stdinWritable());
    key(json, "command");
    put(json, process.program);
    key(json, "args");
    json.StartArray();
    for (auto& argument : process.arguments) put(json, argument);
    json.EndArray();
    key(json, "started_at");
    json.Int64(process.startedAt);
    if (process.status() != Process::RUNNING) {
      key(json, "ended_at");
      json.Int64(process.endedAt());
    }
    json.EndObject();
  }

  // A body must say how long it is, even if it is empty: the real service's edge answers 411 otherwise.
  static uint64_t requireLength(kj::AsyncInputStream& body, uint64_t limit) {
    KJ_IF_MAYBE (length, body.tryGetLength()) {
      if (*length > limit) throw ApiError{413, kj::str("Request body is too large"), ""_kj};
      return *length;
    }
    throw ApiError{411, kj::str("Length Required"), ""_kj};
  }

  static void requireLengthHeader(const kj::HttpHeaders& headers) {
    if (headers.get(kj::HttpHeaderId::CONTENT_LENGTH) == nullptr) {
      throw ApiError{411, kj::str("Length Required"), ""_kj};
    }
  }

  static kj::Promise<kj::Array<char>> readJson(const kj::HttpHeaders& headers,
                                               kj::AsyncInputStream& body) {
    bool isJson = false;
    KJ_IF_MAYBE (type, headers.get(kj::HttpHeaderId::CONTENT_TYPE)) {
      isJson = type->startsWith("application/json");
    }
    if (!isJson) {
      throw ApiError{415, kj::str("Expected request with `Content-Type: application/json`"), ""_kj};
    }
    uint64_t size = requireLength(body, MAX_JSON_BYTES);
    auto bytes = kj::heapArray<char>(size);
    auto promise = body.read(bytes.begin(), size);
    return promise.then([bytes = kj::mv(bytes)]() mutable { return kj::mv(bytes); });
  }

  kj::Promise<void> dispatch(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                             kj::AsyncInputStream& body, Response& response) {
    using Method = kj::HttpMethod;
    if (method == Method::POST || method == Method::PUT) requireLengthHeader(headers);
    auto& parts = url.parts;
    auto is = [&](size_t index, kj::StringPtr text) {
      return index < parts.size() && parts[index] == text;
    };
    auto wrongMethod = [&]() -> kj::Promise<void> {
      throw ApiError{405, kj::str("Method not allowed"), ""_kj};
    };
    if (!is(0, "api") || !is(1, "v1")) throw notFoundRoute();

    if (is(2, "health") && parts.size() == 3) {
      if (method != Method::GET) return wrongMethod();
      return sendText(response, 200, "application/json", kj::str("{\"healthy\":true}"));
    }
    if (is(2, "info") && parts.size() == 3) {
      if (method != Method::GET) return wrongMethod();
      return sendInfo(response);
    }
    if (is(2, "files")) {
      if (parts.size() == 4 && is(3, "list")) {
        if (method != Method::GET) return wrongMethod();
        return sendList(response, url.path());
      }
      if (parts.size() != 3) throw notFoundRoute();
      if (method == Method::GET || method == Method::HEAD) return sendFileContent(response, url.path());
      if (method == Method::PUT) {
        uint64_t size = requireLength(body, UINT64_MAX);
        return putFile(response, kj::str(url.path()), body, size);
      }
      if (method == Method::DELETE) {
        removeFile(url.path());
        return sendNothing(response);
      }
      return wrongMethod();
    }
    if (is(2, "processes")) {
      if (parts.size() == 3) {
        if (method == Method::GET) return sendProcesses(response);
        if (method == Method::POST) return start(response, readJson(headers, body));
        return wrongMethod();
      }
      if (parts.size() == 4 && is(3, "run") && method == Method::POST) {
        return run(response, readJson(headers, body));
      }
      return ofProcess(method, kj::mv(url), headers, body, response);
    }
    for (kj::StringPtr later : {"pty"_kj, "tunnels"_kj, "blob"_kj}) {
      if (is(2, later)) {
        throw ApiError{501, kj::str("The local cloud has no ", later, " API yet"),
                       "NOT_IMPLEMENTED"_kj};
      }
    }
    throw notFoundRoute();
  }

  static ApiError notFoundRoute() {
    return ApiError{404, kj::str("No such API route"), "NOT_FOUND"_kj};
  }

  kj::Promise<void> ofProcess(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                              kj::AsyncInputStream& body, Response& response) {
    using Method = kj::HttpMethod;
    auto& parts = url.parts;
    kj::Own<Process> process;
    KJ_IF_MAYBE (found, processes.find(parts[3])) {
      process = kj::mv(*found);
    } else {
      throw ApiError{404, kj::str("Process ", parts[3], " not found"), "NOT_FOUND"_kj};
    }
    auto wrongMethod = [&]() { return ApiError{405, kj::str("Method not allowed"), ""_kj}; };
    if (parts.size() == 4) {
      if (method == Method::GET) {
        return sendJson(response, 200, [&](Writer& json) { putProcess(json, *process); });
      }
      if (method != Method::DELETE) throw wrongMethod();
      if (!process->killGroup()) {
        throw ApiError{500, kj::str("Process ", process->pid, " is not running"),
                       "INTERNAL_ERROR"_kj};
      }
      return sendNothing(response);
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
      return sendNothing(response);
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
        if (!follow) return sendOutput(response, *process, *s);
        return followProcess(table, response, kj::mv(process), *s, timer);
      }
    }
    throw notFoundRoute();
  }

  static ApiError stdinNotWritable() {
    return ApiError{400, kj::str("Process stdin is not writable"), "STDIN_NOT_WRITABLE"_kj};
  }

  kj::Promise<void> sendInfo(Response& response) {
    return sendJson(response, 200, [&](Writer& json) {
      json.StartObject();
      key(json, "version");
      put(json, VERSION);
      key(json, "uptime_secs");
      json.Int64((timer.now() - startedAt) / kj::SECONDS);
      key(json, "running_processes");
      json.Uint(processes.running());
      key(json, "total_processes");
      json.Uint(processes.total());
      json.EndObject();
    });
  }

  kj::Promise<void> sendProcesses(Response& response) {
    return sendJson(response, 200, [&](Writer& json) {
      json.StartObject();
      key(json, "processes");
      json.StartArray();
      for (auto& process : processes.list()) putProcess(json, *process);
      json.EndArray();
      json.EndObject();
    });
  }

  // All of stdout before all of stderr, as from TensorLake's two log files.
  kj::Promise<void> sendOutput(Response& response, Process& process, OutputSelection selection) {
    return sendJson(response, 200, [&](Writer& json) {
      json.StartObject();
      key(json, "pid");
      json.Int(process.pid);
      key(json, "lines");
      json.StartArray();
      uint64_t count = 0;
      eachLogged(process.output(), selection, [&](const OutputLine& line) {
        put(json, line.text);
        count++;
      });
      json.EndArray();
      key(json, "line_count");
      json.Uint64(count);
      json.EndObject();
    });
  }

  kj::Promise<void> sendList(Response& response, kj::StringPtr path) {
    auto entries = listFolder(path);
    return sendJson(response, 200, [&](Writer& json) {
      json.StartObject();
      key(json, "path");
      put(json, toValidUtf8(path));
      key(json, "entries");
      json.StartArray();
      for (auto& entry : entries) {
        json.StartObject();
        key(json, "name");
        put(json, toValidUtf8(entry.name));
        key(json, "is_dir");
        json.Bool(entry.isFolder);
        key(json, "size");
        if (entry.isFolder) {
          json.Null();
        } else {
          json.Uint64(entry.size);
        }
        key(json, "modified_at");
        json.Int64(entry.modifiedAt);
        json.EndObject();
      }
      json.EndArray();
      json.EndObject();
    });
  }

  kj::Promise<void> sendFileContent(Response& response, kj::StringPtr path) {
    auto file = openForRead(path);
    kj::HttpHeaders headers(table);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/octet-stream");
    KJ_IF_MAYBE (size, file.size) {
      auto stream = response.send(200, reason(200), headers, *size);
      return sendFile(kj::mv(file.fd), *size, kj::mv(stream));
    }
    auto bytes = readUnsized(file.fd);
    auto stream = response.send(200, reason(200), headers, bytes.size());
    auto promise = stream->write(bytes.begin(), bytes.size());
    return promise.attach(kj::mv(stream), kj::mv(bytes));
  }

  kj::Promise<void> putFile(Response& response, kj::String path, kj::AsyncInputStream& body,
                            uint64_t size) {
    auto error = co_await writeWholeFile(kj::mv(path), body, size);
    KJ_IF_MAYBE (e, error) {
      co_await sendError(response, *e);
    } else {
      co_await sendNothing(response);
    }
  }

  // Parsing and starting, with errors as answers.
  template <typename Function>
  kj::Maybe<ApiError> attempt(Function&& function) {
    try {
      function();
      return nullptr;
    } catch (ApiError& error) {
      return kj::mv(error);
    } catch (kj::Exception& e) {
      return toApiError(e);
    }
  }

  kj::Promise<void> start(Response& response, kj::Promise<kj::Array<char>> body) {
    auto bytes = co_await body;
    kj::Own<Process> process;
    auto error = attempt([&]() {
      auto request = StartRequest::parse(bytes, defaultFolder);
      process = processes.start(kj::mv(request.command), kj::mv(request.name));
    });
    KJ_IF_MAYBE (e, error) {
      co_await sendError(response, *e);
      co_return;
    }
    co_await sendJson(response, 201, [&](Writer& json) { putProcess(json, *process); });
  }

  kj::Promise<void> run(Response& response, kj::Promise<kj::Array<char>> body) {
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
      co_await sendError(response, *e);
      co_return;
    }
    co_await followRun(table, response, kj::mv(process), timeout, timer);
  }

  kj::Promise<void> signal(Response& response, kj::Own<Process> process,
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
      co_await sendError(response, *e);
      co_return;
    }
    co_await sendText(response, 200, "application/json", kj::str("{\"success\":true}"));
  }

  kj::Promise<void> feedStdin(Response& response, kj::Own<Process> process,
                              kj::AsyncInputStream& body, uint64_t size) {
    bool writable = process->stdinWritable();
    while (size > 0 && writable) {
      auto bytes = kj::heapArray<kj::byte>(kj::min(size, STDIN_CHUNK));
      co_await body.read(bytes.begin(), bytes.size());
      size -= bytes.size();
      writable = co_await process->writeStdin(kj::mv(bytes));
    }
    if (writable) {
      co_await sendNothing(response);
    } else {
      co_await sendError(response, stdinNotWritable());
    }
  }
};

}  // namespace

kj::Own<kj::HttpService> newApi(const kj::HttpHeaderTable& table, Processes& processes,
                                kj::Timer& timer, kj::String defaultFolder) {
  return kj::heap<Api>(table, processes, timer, kj::mv(defaultFolder));
}

}  // namespace sandbridge::localcloud::daemon
