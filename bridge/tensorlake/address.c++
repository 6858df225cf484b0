#include "tensorlake/address.h"

#include "base/error.h"
#include "tensorlake/wire.h"

namespace sandbridge::tensorlake {

namespace {

void add(SandboxAddress& address, kj::StringPtr name, kj::String value) {
  for (char c : value) {
    if (static_cast<kj::byte>(c) < ' ' || c == '\x7f') {
      throwError(ErrorKind::FAILED,
                 "TensorLake's description of the sandbox holds control characters.");
    }
  }
  address.headers.add(HttpClient::Header{kj::heapString(name), kj::mv(value)});
}

}  // namespace

SandboxAddress addressOf(const Config& config, const Sandbox& sandbox,
                         kj::FunctionParam<kj::String(kj::StringPtr)> readable) {
  auto given =
      sandbox.url.size() > 0 ? kj::StringPtr(sandbox.url) : kj::StringPtr(config.sandboxProxyUrl);
  if (given.size() == 0) {
    throwError(ErrorKind::FAILED,
               "TensorLake named no address for the sandbox, and TENSORLAKE_SANDBOX_PROXY_URL is "
               "not set; guessing one could send the key to a stranger.");
  }
  SandboxAddress address;
  address.url = parseUrl(given);
  auto& url = address.url;
  if (!mayHaveKey(config, url)) {
    throwError(ErrorKind::FAILED,
               kj::str("TensorLake named an address for the sandbox that the key is not sent to: ",
                       url.scheme, "://", readable(url.host),
                       ". Set TENSORLAKE_SANDBOX_PROXY_URL to it if it is right."));
  }
  if (isLocalhost(url.host)) {
    address.base = kj::str(url.scheme, "://", url.host, url.port, url.path);
    add(address, "Host", kj::str(sandbox.id, wire::LOCAL_HOST_SUFFIX));
  } else {
    address.base = kj::str(url.scheme, "://", url.host, url.port);
    add(address, wire::SANDBOX_ID, kj::heapString(sandbox.id));
  }
  if (sandbox.routingHint.size() > 0)
    add(address, wire::ROUTE_HINT, kj::heapString(sandbox.routingHint));
  return address;
}

}  // namespace sandbridge::tensorlake
