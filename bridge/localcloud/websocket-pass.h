#pragma once
// Passes WebSockets (terminals, tunnels) on to the daemon in the sandbox.
//
// Of the client's headers only a short list of harmless ones and X-PTY-Token reach the daemon. Extensions are declined, so
// messages pass uncompressed. Messages, in whichever direction, keep a sandbox from being idle; a silent connection does not.

#include "localcloud/registry.h"

namespace sandbridge::localcloud {

class WebSocketPass {
 public:
  // Adds the headers it needs to `headers`; the table is built by the caller afterwards.
  WebSocketPass(kj::HttpHeaderTable::Builder& headers, kj::Timer& timer);

  // Wakes a suspended sandbox, and answers what the daemon answers, 101 or not. When the sandbox is suspended or ends
  // meanwhile, the client is told so with close code 1001, and the daemon as soon as it can hear it.
  // `table`: the one built. `headers` and `url` are read before this returns; `response` must outlive the promise.
  kj::Promise<void> serve(const kj::HttpHeaderTable& table, kj::Own<Sandbox> sandbox, kj::StringPtr url,
                          const kj::HttpHeaders& headers, kj::HttpService::Response& response);

 private:
  kj::Timer& timer;
  kj::Vector<kj::HttpHeaderId> passed;

  kj::Promise<void> run(const kj::HttpHeaderTable& table, kj::Own<Sandbox> sandbox, kj::String url,
                        kj::HttpHeaders headers, kj::HttpService::Response& response);
  kj::Promise<kj::HttpClient::WebSocketResponse> open(kj::HttpClient& client, kj::StringPtr url,
                                                      const kj::HttpHeaders& headers);
};

}  // namespace sandbridge::localcloud
