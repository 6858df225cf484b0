#pragma once
// How a sandbox is addressed on the data plane.

#include "tensorlake/client.h"
#include "tensorlake/config.h"

namespace sandbridge::tensorlake {

struct SandboxAddress {
  UrlParts url;
  kj::String base;  // what comes before a request's path
  kj::Vector<HttpClient::Header> headers;  // that route a request to the sandbox; the key is not among them
};

// Throws FAILED when TensorLake named no address, one that the key is not sent to, or one that holds control characters.
// `readable` makes a text of the server's fit for people.
SandboxAddress addressOf(const Config& config, const Sandbox& sandbox,
                         kj::FunctionParam<kj::String(kj::StringPtr)> readable);

}  // namespace sandbridge::tensorlake
