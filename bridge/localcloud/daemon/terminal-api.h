#pragma once
// `/api/v1/pty`: making, looking at, resizing, ending and attaching to terminal sessions.

#include <kj/compat/http.h>

#include "requests.h"
#include "terminals.h"

namespace sandbridge::localcloud::daemon {

class TerminalApi {
 public:
  // Adds the header it needs to `headers`; the table is built by the caller afterwards.
  explicit TerminalApi(kj::HttpHeaderTable::Builder& headers, Terminals& terminals, kj::Timer& timer,
                       kj::StringPtr defaultFolder)
      : tokenHeader(headers.add("X-PTY-Token")),
        terminals(terminals),
        timer(timer),
        defaultFolder(defaultFolder) {}

  // Throws ApiError. `url`, whose third part is "pty", and `headers` are read before this returns.
  kj::Promise<void> serve(const kj::HttpHeaderTable& table, kj::HttpMethod method, Url url,
                          const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                          kj::HttpService::Response& response);

 private:
  using Response = kj::HttpService::Response;

  kj::HttpHeaderId tokenHeader;
  Terminals& terminals;
  kj::Timer& timer;
  kj::StringPtr defaultFolder;

  kj::Promise<void> start(const kj::HttpHeaderTable& table, Response& response,
                          kj::Promise<kj::Array<char>> body);
  kj::Promise<void> list(const kj::HttpHeaderTable& table, Response& response);
  kj::Promise<void> resize(const kj::HttpHeaderTable& table, Response& response,
                           kj::Own<Terminal> terminal, kj::Promise<kj::Array<char>> body);
  kj::Promise<void> attach(const kj::HttpHeaderTable& table, Response& response,
                           kj::Own<Terminal> terminal);
};

}  // namespace sandbridge::localcloud::daemon
