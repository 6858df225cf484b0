#pragma once
// HTTP requests that leave from the sandbox, by whatever it has that can make them: curl, GNU wget or python3.

#include "tools/limits.h"
#include "tools/tool.h"

namespace sandbridge {

struct FetchRequest {
  std::string url;  // as somebody wrote it, http: or https:
  kj::StringPtr userAgent = "opencode"_kj;
  kj::StringPtr accept = "*/*"_kj;
  kj::Maybe<kj::String> json;  // what is posted; without, it is a GET
  double seconds = FETCH_SECONDS;  // for all of it, above 0
  size_t mostBytes = PAGE_BYTES;   // of the answer's body
  kj::StringPtr timeoutText = "Request timed out"_kj;
};

// What answered at the end of the redirects.
struct FetchedPage {
  unsigned status = 0;
  std::string contentType;  // "" if it said none
  bool challenged = false;  // Cloudflare wants a browser to prove itself
  kj::Array<kj::byte> body;
};

// What OpenCode says of an answer that is not 2xx.
kj::String statusText(const FetchRequest& request, unsigned status);

// One round trip; `request` lasts until then. Dropping the promise ends the request. Throws FAILED in OpenCode's words for whatever goes wrong: no such
// program, an address that is none, no connection, too many redirects or one that leads to another protocol, no time left, a
// body that is too long.
kj::Promise<FetchedPage> fetchPage(ToolContext& context, const FetchRequest& request);

// An address as browsers send it: without its fragment, with what no request line may hold escaped.
std::string requestUrl(std::string_view url);

// Takes apart the headers and the body as curl prints them: before the last answer's there are those of redirects and of interim
// answers. Null if it is no HTTP.
kj::Maybe<FetchedPage> parseAnswers(kj::ArrayPtr<const kj::byte> output);

}  // namespace sandbridge
