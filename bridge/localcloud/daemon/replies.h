#pragma once
// How the daemon answers, and what it asks of a request's body.

#include <kj/compat/http.h>
#include <kj/function.h>

#include "base/json.h"
#include "files.h"

namespace sandbridge::localcloud::daemon {

kj::Promise<void> sendText(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                           uint status, kj::StringPtr contentType, kj::String text);
kj::Promise<void> sendJson(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                           uint status, kj::String json);
kj::Promise<void> sendNothing(kj::HttpService::Response& response, const kj::HttpHeaderTable& table);
kj::Promise<void> sendError(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                            const ApiError& error);
kj::StringPtr reasonOf(uint status);

ApiError notFoundRoute();
ApiError wrongMethod();
ApiError toApiError(const kj::Exception& e);

// Runs what parses and starts; its ApiError or exception is the answer.
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

// A body must say how long it is, even if it is empty: the real service's edge answers 411 otherwise.
uint64_t requireLength(kj::AsyncInputStream& body, uint64_t limit);
// A body of type application/json.
kj::Promise<kj::Array<char>> readJson(const kj::HttpHeaders& headers, kj::AsyncInputStream& body);

}  // namespace sandbridge::localcloud::daemon
