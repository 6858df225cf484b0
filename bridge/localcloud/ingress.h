#pragma once
// Exposed ports of sandboxes, reached as `{port}-{id or name}.localhost` or `.local` on the local cloud's own port. Browsers
// take every name under `localhost` for this machine, so a person can open them.
//
// A request passes with its path, query, headers and body, and so does its answer, streaming both ways; WebSockets pass too.
// What stays behind: the headers of one connection, TensorLake's own headers, and the token that let the request in. It wakes a
// suspended sandbox and keeps it from being idle; it is cut when the sandbox is suspended or ends, and when the port is closed.

#include "localcloud/public-access.h"
#include "localcloud/registry.h"

#include <kj/compat/http.h>

namespace sandbridge::localcloud {

class Ingress {
 public:
  // Adds the headers it needs to `headers`; the table is built by the caller afterwards.
  Ingress(kj::HttpHeaderTable::Builder& headers, kj::Timer& timer, Registry& registry);

  struct Target {
    kj::Own<Sandbox> sandbox;
    uint16_t port;
  };
  // What a host name before its domain means: "8080-probe". None: no port of a sandbox that there is. A sandbox that is itself
  // called so comes first, and then it is none.
  kj::Maybe<Target> find(kj::StringPtr label);

  // `authorized`: the request brought the cloud's token, or none is needed. `host`: as sent, with the port.
  kj::Promise<void> serve(const kj::HttpHeaderTable& table, Target target, bool authorized, bool holdsToken,
                          kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                          kj::AsyncInputStream& body, kj::HttpService::Response& response);

 private:
  struct Exchange;

  kj::Timer& timer;
  Registry& registry;
  kj::HttpHeaderId origin, fetchSite, fetchMode;

  kj::Maybe<Refusal> refuse(const Target& target, bool authorized, kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers);
  kj::Promise<void> run(const kj::HttpHeaderTable& table, kj::Own<Exchange> exchange, kj::AsyncInputStream& body,
                        kj::HttpService::Response& response);
  kj::Promise<void> pass(const kj::HttpHeaderTable& table, Exchange& exchange, kj::AsyncIoStream& stream,
                         kj::AsyncInputStream& body, kj::HttpService::Response& response);
  kj::Promise<void> passWebSocket(const kj::HttpHeaderTable& table, Exchange& exchange, kj::AsyncIoStream& stream,
                                  kj::HttpService::Response& response);
};

// "8080-probe" of "8080-Probe.localhost:9900", or none when the host is not under one of the two domains.
kj::Maybe<kj::String> sandboxLabelOf(kj::StringPtr hostName);

}  // namespace sandbridge::localcloud
