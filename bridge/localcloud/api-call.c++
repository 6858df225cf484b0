#include "localcloud/api-call.h"

#include "base/coroutine.h"

namespace sandbridge::localcloud {

namespace {

constexpr uint64_t MAX_BODY = 1 << 20;
constexpr kj::Duration BODY_PATIENCE = 60 * kj::SECONDS;

}  // namespace

kj::Promise<void> ApiCall::reply(unsigned status, kj::String json) {
  return replyJson(response, table, status, kj::mv(json));
}

kj::Promise<void> ApiCall::refuse(Refusal refusal) {
  return replyError(response, table, kj::mv(refusal));
}

kj::Promise<void> ApiCall::refuseMethod() {
  return refuse({405, "METHOD_NOT_ALLOWED"_kj, kj::str(method, " does not work on this path")});
}

kj::Promise<void> ApiCall::refusePath() {
  return refuse({404, "NOT_FOUND"_kj, kj::str("there is nothing at this path")});
}

kj::Promise<void> ApiCall::refuseAsMissing(kj::StringPtr what) {
  return refuse({501, "NOT_IMPLEMENTED"_kj, kj::str("local sandboxes do not have ", what)});
}

kj::Promise<kj::OneOf<kj::Array<kj::byte>, Refusal>> ApiCall::readBody(kj::Timer& timer) {
  using Result = kj::OneOf<kj::Array<kj::byte>, Refusal>;
  Refusal tooLong{413, "TOO_LARGE"_kj, kj::str("the body is longer than ", MAX_BODY, " bytes")};
  KJ_IF_MAYBE(size, body.tryGetLength()) {
    if (*size > MAX_BODY) co_return Result(kj::mv(tooLong));
  } else {
    co_return Result(Refusal{411, "LENGTH_REQUIRED"_kj, kj::str("send the body with a Content-Length")});
  }
  co_return Result(co_await timer.timeoutAfter(BODY_PATIENCE, body.readAllBytes(MAX_BODY + 1)));
}

}  // namespace sandbridge::localcloud
