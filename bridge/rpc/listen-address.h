#pragma once
// The address that an operator gives to listen on.

#include <kj/async-io.h>
#include <kj/string.h>

namespace sandbridge {

struct ListenAddress {
  kj::String text;       // for kj::Network
  kj::String host;       // as given: "127.0.0.1", "[::1]", "*"
  kj::String localHost;  // by which this machine reaches it: "127.0.0.1" for "0.0.0.0" and "*"
  bool isLoopback;       // certainly not reachable from other machines
};

// "HOST:PORT" with a name, an IPv4 address, an IPv6 address in brackets, or "*"; none for anything else.
kj::Maybe<ListenAddress> parseListenAddress(kj::StringPtr text);

// Listens there. An address in use is an error that says so.
kj::Promise<kj::Own<kj::ConnectionReceiver>> openPort(kj::Network& network, kj::StringPtr text);

}  // namespace sandbridge
