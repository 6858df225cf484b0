#include "localcloud/entrypoint.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"

#include <kj/compat/http.h>
#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

constexpr size_t MAX_ANSWER = 64 << 10;

kj::String requestFor(kj::ArrayPtr<const kj::String> command) {
  JsonWriter json;
  json.beginObject().field("command", command[0]).key("args").beginArray();
  for (auto& argument: command.slice(1, command.size())) json.value(argument);
  json.endArray().endObject();
  return json.finish();
}

kj::Promise<void> post(kj::Promise<kj::Own<kj::AsyncIoStream>> connecting, kj::String body) {
  auto stream = co_await connecting;
  kj::HttpHeaderTable table;
  auto client = kj::newHttpClient(table, *stream);
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::HOST, "sandbox");
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
  auto request = client->request(kj::HttpMethod::POST, "/api/v1/processes", headers, body.size());
  co_await request.body->write(body.begin(), body.size());
  request.body = nullptr;
  auto response = co_await request.response;
  auto status = response.statusCode;
  auto text = co_await response.body->readAllText(MAX_ANSWER);
  if (status != 201) {
    throwError(ErrorKind::FAILED, kj::str("the entrypoint could not be started: ", text));
  }
}

}  // namespace

kj::Promise<void> startEntrypoint(Box& box, kj::ArrayPtr<const kj::String> command) {
  KJ_REQUIRE(command.size() > 0, "an empty entrypoint");
  return post(box.connect(), requestFor(command));
}

}  // namespace sandbridge::localcloud
