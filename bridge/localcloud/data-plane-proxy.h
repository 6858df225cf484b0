#pragma once
// Passes data-plane requests on to the daemon in the sandbox, streaming both ways, and wakes sandboxes that are suspended.
//
// Nothing of the client but the method, the path and a short list of harmless headers reaches the sandbox: never its
// credentials. Traffic, in whichever direction, keeps a sandbox from being idle; a silent one is suspended under a
// request as TensorLake does it, and the request is then cut.

#include "localcloud/registry.h"
#include "localcloud/websocket-pass.h"

namespace sandbridge::localcloud {

class DataPlaneProxy {
 public:
  // Adds the headers it needs to `headers`; the table is built by the caller afterwards.
  DataPlaneProxy(kj::HttpHeaderTable::Builder& headers, kj::Timer& timer);

  // `table`: the one built. `headers` is read before this returns; `body` and `response` must outlive the promise.
  kj::Promise<void> serve(const kj::HttpHeaderTable& table, kj::Maybe<kj::Own<Sandbox>> sandbox,
                          kj::StringPtr label, kj::HttpMethod method, kj::StringPtr url,
                          const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                          kj::HttpService::Response& response);

 private:
  kj::Timer& timer;
  WebSocketPass sockets;
  kj::Vector<kj::HttpHeaderId> requestHeaders;
  kj::Vector<kj::HttpHeaderId> responseHeaders;

  // One request under way.
  struct Exchange {
    kj::Own<Sandbox> sandbox;
    kj::HttpMethod method;
    kj::String url;
    kj::HttpHeaders headers;  // for the daemon
    kj::Maybe<uint64_t> length;
    kj::Maybe<kj::Own<kj::AsyncOutputStream>> answer;  // once the client has been sent a status
  };

  kj::Promise<void> run(const kj::HttpHeaderTable& table, kj::Own<Exchange> exchange,
                        kj::AsyncInputStream& body, kj::HttpService::Response& response);
  kj::Promise<void> forward(const kj::HttpHeaderTable& table, Exchange& exchange, Box& box,
                            kj::AsyncInputStream& body, kj::HttpService::Response& response);
  kj::Promise<void> upload(Exchange& exchange, kj::AsyncInputStream& from, kj::Own<kj::AsyncOutputStream> to);
};

}  // namespace sandbridge::localcloud
