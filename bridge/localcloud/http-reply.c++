#include "localcloud/http-reply.h"

#include "base/json.h"

namespace sandbridge::localcloud {

namespace {
constexpr size_t MAX_QUOTED = 80;
}

kj::String quote(kj::StringPtr text) {
  kj::Vector<char> result;
  for (char c: text) {
    if (result.size() == MAX_QUOTED) {
      return kj::str('\'', result.asPtr(), "...'");
    }
    // A plain char is signed here: bytes above ASCII go too, so that no cut leaves half a character.
    result.add(c < 0x20 || c == 0x7f ? '?' : c);
  }
  return kj::str('\'', result.asPtr(), '\'');
}

kj::Maybe<uint64_t> parseDecimal(kj::ArrayPtr<const char> text, uint64_t max) {
  if (text.size() == 0) return nullptr;
  uint64_t value = 0;
  for (char c: text) {
    if (c < '0' || c > '9') return nullptr;
    uint64_t digit = c - '0';
    if (digit > max || value > (max - digit) / 10) return nullptr;
    value = value * 10 + digit;
  }
  return value;
}

kj::StringPtr reasonPhrase(unsigned status) {
  switch (status) {
    case 200: return "OK"_kj;
    case 201: return "Created"_kj;
    case 202: return "Accepted"_kj;
    case 204: return "No Content"_kj;
    case 400: return "Bad Request"_kj;
    case 401: return "Unauthorized"_kj;
    case 403: return "Forbidden"_kj;
    case 404: return "Not Found"_kj;
    case 405: return "Method Not Allowed"_kj;
    case 408: return "Request Timeout"_kj;
    case 409: return "Conflict"_kj;
    case 411: return "Length Required"_kj;
    case 413: return "Payload Too Large"_kj;
    case 429: return "Too Many Requests"_kj;
    case 500: return "Internal Server Error"_kj;
    case 501: return "Not Implemented"_kj;
    case 502: return "Bad Gateway"_kj;
    case 503: return "Service Unavailable"_kj;
    case 504: return "Gateway Timeout"_kj;
    case 507: return "Insufficient Storage"_kj;
    default: return "Status"_kj;
  }
}

kj::Promise<void> replyJson(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                            unsigned status, kj::String json) {
  kj::HttpHeaders headers(table);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
  auto stream = response.send(status, reasonPhrase(status), headers, json.size());
  auto promise = stream->write(json.begin(), json.size());
  return promise.attach(kj::mv(stream), kj::mv(json));
}

kj::Promise<void> replyError(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                             Refusal refusal) {
  JsonWriter json;
  json.beginObject().field("error", refusal.text).field("code", refusal.code).endObject();
  return replyJson(response, table, refusal.status, json.finish());
}

}  // namespace sandbridge::localcloud
