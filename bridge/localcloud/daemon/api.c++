#include "api.h"

#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/json.h"
#include "files.h"
#include "replies.h"
#include "requests.h"

namespace sandbridge::localcloud::daemon {

namespace {

constexpr kj::StringPtr VERSION = "sandbridge-0.1.0"_kj;

class Api final : public kj::HttpService {
 public:
  Api(const kj::HttpHeaderTable& table, const Processes& processes, ProcessApi& processApi,
      TerminalApi& terminalApi, kj::Timer& timer)
      : table(table),
        processes(processes),
        timer(timer),
        startedAt(timer.now()),
        processApi(processApi),
        terminalApi(terminalApi) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    kj::Promise<void> answering = nullptr;
    auto error = attempt([&]() {
      answering = dispatch(method, Url::parse(url), headers, body, response);
    });
    KJ_IF_MAYBE (e, error) return sendError(response, table, *e);
    return answering;
  }

 private:
  const kj::HttpHeaderTable& table;
  const Processes& processes;
  kj::Timer& timer;
  kj::TimePoint startedAt;
  ProcessApi& processApi;
  TerminalApi& terminalApi;

  kj::Promise<void> dispatch(kj::HttpMethod method, Url url, const kj::HttpHeaders& headers,
                             kj::AsyncInputStream& body, Response& response) {
    using Method = kj::HttpMethod;
    if ((method == Method::POST || method == Method::PUT) &&
        headers.get(kj::HttpHeaderId::CONTENT_LENGTH) == nullptr) {
      throw ApiError{411, kj::str("Length Required"), ""_kj};
    }
    auto& parts = url.parts;
    auto is = [&](size_t index, kj::StringPtr text) {
      return index < parts.size() && parts[index] == text;
    };
    if (!is(0, "api") || !is(1, "v1")) throw notFoundRoute();

    if (is(2, "health") && parts.size() == 3) {
      if (method != Method::GET) throw wrongMethod();
      return sendJson(response, table, 200, kj::str("{\"healthy\":true}"));
    }
    if (is(2, "info") && parts.size() == 3) {
      if (method != Method::GET) throw wrongMethod();
      return sendInfo(response);
    }
    if (is(2, "files")) {
      if (parts.size() == 4 && is(3, "list")) {
        if (method != Method::GET) throw wrongMethod();
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
        return sendNothing(response, table);
      }
      throw wrongMethod();
    }
    if (is(2, "processes")) return processApi.serve(method, kj::mv(url), headers, body, response);
    if (is(2, "pty")) {
      return terminalApi.serve(table, method, kj::mv(url), headers, body, response);
    }
    for (kj::StringPtr later : {"tunnels"_kj, "blob"_kj}) {
      if (is(2, later)) {
        throw ApiError{501, kj::str("The local cloud has no ", later, " API yet"),
                       "NOT_IMPLEMENTED"_kj};
      }
    }
    throw notFoundRoute();
  }

  kj::Promise<void> sendInfo(Response& response) {
    JsonWriter json;
    json.beginObject().field("version", VERSION);
    json.field("uptime_secs", static_cast<int64_t>((timer.now() - startedAt) / kj::SECONDS));
    json.field("running_processes", processes.running());
    json.field("total_processes", processes.total()).endObject();
    return sendJson(response, table, 200, json.finish());
  }

  kj::Promise<void> sendList(Response& response, kj::StringPtr path) {
    JsonWriter json;
    json.beginObject().field("path", path).key("entries").beginArray();
    for (auto& entry : listFolder(path)) {
      json.beginObject().field("name", entry.name).field("is_dir", entry.isFolder).key("size");
      if (entry.isFolder) {
        json.value(nullptr);
      } else {
        json.value(static_cast<uint64_t>(entry.size));
      }
      json.field("modified_at", static_cast<int64_t>(entry.modifiedAt)).endObject();
    }
    json.endArray().endObject();
    return sendJson(response, table, 200, json.finish());
  }

  kj::Promise<void> sendFileContent(Response& response, kj::StringPtr path) {
    auto file = openForRead(path);
    kj::HttpHeaders headers(table);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/octet-stream");
    KJ_IF_MAYBE (size, file.size) {
      auto stream = response.send(200, reasonOf(200), headers, *size);
      return sendFile(kj::mv(file.fd), *size, kj::mv(stream));
    }
    auto bytes = readUnsized(file.fd);
    auto stream = response.send(200, reasonOf(200), headers, bytes.size());
    auto promise = stream->write(bytes.begin(), bytes.size());
    return promise.attach(kj::mv(stream), kj::mv(bytes));
  }

  kj::Promise<void> putFile(Response& response, kj::String path, kj::AsyncInputStream& body,
                            uint64_t size) {
    auto error = co_await writeWholeFile(kj::mv(path), body, size);
    KJ_IF_MAYBE (e, error) {
      co_await sendError(response, table, *e);
    } else {
      co_await sendNothing(response, table);
    }
  }
};

}  // namespace

kj::Own<kj::HttpService> newApi(const kj::HttpHeaderTable& table, const Processes& processes,
                                ProcessApi& processApi, TerminalApi& terminalApi, kj::Timer& timer) {
  return kj::heap<Api>(table, processes, processApi, terminalApi, timer);
}

}  // namespace sandbridge::localcloud::daemon
