#pragma once
// How the local cloud answers: JSON, and errors in the one shape that TensorLake's clients know,
// `{"error":"<text>","code":"<CODE>"}`.

#include <kj/compat/http.h>

namespace sandbridge::localcloud {

// A request that cannot be served, and what its sender is told.
struct Refusal {
  unsigned status;
  kj::StringPtr code;  // a literal
  kj::String text;     // a sentence; echoes of the request go through `quote`
};

// Text of a client in an error message: shortened and without control characters.
kj::String quote(kj::StringPtr text);

// Digits only: no sign, no blanks, nothing above `max`.
kj::Maybe<uint64_t> parseDecimal(kj::ArrayPtr<const char> text, uint64_t max);

// The standard words for a status.
kj::StringPtr reasonPhrase(unsigned status);

kj::Promise<void> replyJson(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                            unsigned status, kj::String json);
kj::Promise<void> replyError(kj::HttpService::Response& response, const kj::HttpHeaderTable& table,
                             Refusal refusal);

}  // namespace sandbridge::localcloud
