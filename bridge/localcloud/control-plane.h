#pragma once
// TensorLake's lifecycle API over the registry: create, get, list, update, delete, suspend, resume; and the answer "not
// here" for the parts that local sandboxes do not have.

#include "localcloud/registry.h"

namespace sandbridge::localcloud {

class ControlPlane {
 public:
  struct Call {
    kj::HttpMethod method;
    kj::Vector<kj::String> path;  // decoded parts
    kj::String query;             // as sent, without the question mark
    kj::Maybe<kj::Duration> patience;  // X-Tensorlake-Request-Timeout-Ms
  };

  // `url` is what clients reach us by. Everything must outlive the control plane.
  ControlPlane(const kj::HttpHeaderTable& table, Registry& registry, kj::StringPtr url);

  kj::Promise<void> serve(Call call, kj::AsyncInputStream& body, kj::HttpService::Response& response);

 private:
  const kj::HttpHeaderTable& table;
  Registry& registry;
  kj::StringPtr url;

  kj::Promise<void> serveSandboxes(kj::String ns, Call call, kj::AsyncInputStream& body,
                                   kj::HttpService::Response& response);
  kj::Promise<void> create(kj::String ns, kj::Maybe<kj::Duration> patience, kj::AsyncInputStream& body,
                           kj::HttpService::Response& response);
  kj::Promise<void> list(kj::StringPtr ns, kj::StringPtr query, kj::HttpService::Response& response);
  kj::Promise<void> update(kj::Own<Sandbox> sandbox, kj::AsyncInputStream& body,
                           kj::HttpService::Response& response);
  kj::Promise<void> remove(kj::Own<Sandbox> sandbox, kj::HttpService::Response& response);
  kj::Promise<void> suspend(Sandbox& sandbox, kj::HttpService::Response& response);
  kj::Promise<void> resume(Sandbox& sandbox, kj::HttpService::Response& response);
  kj::Promise<void> answerInfo(Sandbox& sandbox, kj::HttpService::Response& response);
};

}  // namespace sandbridge::localcloud
