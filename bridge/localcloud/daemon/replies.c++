#include "replies.h"

#include "base/error.h"

namespace sandbridge::localcloud::daemon {

namespace {

// JSON bodies: an argument list plus an environment, both bounded by the kernel at 2 MiB.
constexpr uint64_t MAX_JSON_BYTES = 8u << 20;

}  // namespace

kj::StringPtr reasonOf(uint status) {
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
    case 429: return "Too Many Requests"_kj;
    case 501: return "Not Implemented"_kj;
    default: return "Internal Server Error"_kj;
  }
}

ApiError notFoundRoute() { return ApiError{404, kj::str("No such API route"), "NOT_FOUND"_kj}; }

ApiError wrongMethod() { return ApiError{405, kj::str("Method not allowed"), ""_kj}; }

ApiError toApiError(const kj::Exception& e) {
  bool invalid = kindOf(e) == ErrorKind::INVALID_ARGUMENT;
  return ApiError{invalid ? 400u : 500u, textOf(e), invalid ? ""_kj : "INTERNAL_ERROR"_kj};
}

kj::Promise<void> sendText(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                           uint status, kj::StringPtr contentType, kj::String text) {
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, contentType);
  auto stream = response.send(status, reasonOf(status), headers, text.size());
  auto promise = stream->write(text.begin(), text.size());
  return promise.attach(kj::mv(stream), kj::mv(text));
}

kj::Promise<void> sendJson(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                           uint status, kj::String json) {
  return sendText(response, table, status, "application/json", kj::mv(json));
}

kj::Promise<void> sendNothing(kj::HttpService::Response& response, const kj::HttpHeaderTable& table) {
  kj::HttpHeaders headers(table);
  response.send(204, reasonOf(204), headers, uint64_t(0));
  return kj::READY_NOW;
}

kj::Promise<void> sendError(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                            const ApiError& error) {
  JsonWriter json;
  json.beginObject().field("error", error.text);
  if (error.code.size() > 0) json.field("code", error.code);
  json.endObject();
  return sendJson(response, table, error.status, json.finish());
}

uint64_t requireLength(kj::AsyncInputStream& body, uint64_t limit) {
  KJ_IF_MAYBE (length, body.tryGetLength()) {
    if (*length > limit) throw ApiError{413, kj::str("Request body is too large"), ""_kj};
    return *length;
  }
  throw ApiError{411, kj::str("Length Required"), ""_kj};
}

kj::Promise<kj::Array<char>> readJson(const kj::HttpHeaders& headers, kj::AsyncInputStream& body) {
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

}  // namespace sandbridge::localcloud::daemon
