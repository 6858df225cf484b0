#pragma once
// Which requests the front passes on. OpenCode's HTTP interface trusts whoever reaches it; its port is on loopback, where web
// pages in a browser, and programs that only look like a client, can reach it too.

#include <kj/compat/http.h>

namespace sandbridge {

// Why this request may not pass, as a sentence: it comes from a web page of elsewhere, or (unless `anyHost`) through a name
// that is not loopback.
kj::Maybe<kj::String> refuse(const kj::HttpHeaders& headers, bool anyHost);

struct Answer {
  unsigned status;
  kj::StringPtr statusText;
  kj::StringPtr contentType;
  kj::StringPtr body;
};

// The answer to requests by which OpenCode would act on, or look at, the bridge's own machine: they never reach it.
kj::Maybe<Answer> answerInstead(kj::HttpMethod method, kj::StringPtr url);

// The path that a URL names, as a lenient router could see it: decoded, in lower case, without empty segments.
kj::String pathOf(kj::StringPtr url);

// Whether `path` is `folder` or stands below it.
bool isBelow(kj::StringPtr path, kj::StringPtr folder);

// `url` without its `directory` parameters, by which a client chooses where OpenCode works.
kj::String withoutDirectory(kj::StringPtr url);

}  // namespace sandbridge
