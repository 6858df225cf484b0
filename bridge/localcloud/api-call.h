#pragma once
// One call to the lifecycle API on its way to the resource that serves it, and how it is answered.

#include "localcloud/http-reply.h"

#include <kj/one-of.h>
#include <kj/timer.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

struct ApiCall {
  kj::HttpMethod method;
  kj::String ns;
  kj::Vector<kj::String> path;  // decoded parts below the name of the resource, without a trailing empty one
  kj::String query;             // as sent, without the question mark
  kj::Maybe<kj::Duration> patience;  // X-Tensorlake-Request-Timeout-Ms

  // These outlive the promise that serves the call.
  const kj::HttpHeaderTable& table;
  kj::AsyncInputStream& body;
  kj::HttpService::Response& response;

  kj::Promise<void> reply(unsigned status, kj::String json);
  kj::Promise<void> refuse(Refusal refusal);
  // 405, 404 for a path that leads nowhere, and 501 for a part of TensorLake's API that is not had here.
  kj::Promise<void> refuseMethod();
  kj::Promise<void> refusePath();
  kj::Promise<void> refuseAsMissing(kj::StringPtr what);

  // The body, or why it is not taken: 411 without a Content-Length, 413 above 1 MiB. Rejects when it does not arrive.
  kj::Promise<kj::OneOf<kj::Array<kj::byte>, Refusal>> readBody(kj::Timer& timer);
};

}  // namespace sandbridge::localcloud
