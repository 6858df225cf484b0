#pragma once
// TCP connections to ports inside of a sandbox, exposed or not: TensorLake's tunnels, one WebSocket each.

#include "tensorlake/client.h"
#include "tensorlake/config.h"

#include <kj/async-io.h>

namespace sandbridge::tensorlake {

class Tunnels {
 public:
  virtual ~Tunnels() noexcept(false) {}

  // Connects to what listens on `port` of the sandbox's own loopback. Errors, of which none has sent anything: NOT_FOUND when
  // nothing listens there; UNAVAILABLE when the sandbox is not where `sandbox` says, does not run, or cannot be reached within
  // 30 s; DENIED when the key is refused. The stream has no half-close: shutdownWrite() does nothing. It may outlive `this`.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> open(const Sandbox& sandbox, uint16_t port) = 0;
};

// `network` and `timer` must outlive the result and its promises. Proxies of the environment are not used.
kj::Own<Tunnels> newTunnels(Config config, kj::Network& network, kj::Timer& timer);

}  // namespace sandbridge::tensorlake
