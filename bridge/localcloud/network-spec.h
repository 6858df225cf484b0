#pragma once
// A network policy as the launcher and the network helper enforce it.

#include <kj/array.h>
#include <kj/common.h>
#include <kj/string.h>

#include "address-ranges.h"

namespace sandbridge::localcloud {

struct NetworkSpec {
  bool internet = false;               // false: nothing but the box's own loopback is reached
  kj::Array<AddressRange> reachable;   // merged; besides the name server

  NetworkSpec clone() const { return {internet, kj::heapArray<AddressRange>(reachable.asPtr())}; }

  kj::Array<kj::String> toArguments() const;
  // Arguments that are none of its own are passed over.
  static NetworkSpec fromArguments(kj::ArrayPtr<char* const> arguments);
};

// Entry of "network": enforces `spec` on the running box whose daemon's pidfd is `boxFd`, frozen or not, with its descriptor
// FD_NETWORK. `resultFd` gets one packet: "ok" or "error <step and reason>"; then what the box reached before is what it
// reaches now, or less.
int networkMain(int resultFd, int boxFd, NetworkSpec spec);

}  // namespace sandbridge::localcloud
