#include "rpc/listen-address.h"

#include "base/coroutine.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <kj/debug.h>
#include <stdlib.h>
#include <string.h>

namespace sandbridge {
namespace {

bool isPort(kj::StringPtr text) {
  if (text.size() == 0 || text.size() > 5) return false;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return atoi(text.cStr()) <= 65535;
}

}  // namespace

kj::Maybe<ListenAddress> parseListenAddress(kj::StringPtr text) {
  KJ_IF_MAYBE(colon, text.findLast(':')) {
    auto host = kj::heapString(text.slice(0, *colon));
    if (host.size() == 0 || !isPort(text.slice(*colon + 1))) return nullptr;
    ListenAddress result;
    result.isLoopback = false;
    result.localHost = kj::str(host);
    in_addr v4;
    in6_addr v6;
    if (host.startsWith("[")) {
      if (!host.endsWith("]")) return nullptr;
      auto inner = kj::heapString(host.slice(1, host.size() - 1));
      if (inet_pton(AF_INET6, inner.cStr(), &v6) != 1) return nullptr;
      result.isLoopback = IN6_IS_ADDR_LOOPBACK(&v6);
      if (IN6_IS_ADDR_UNSPECIFIED(&v6)) result.localHost = kj::str("[::1]");
    } else if (inet_pton(AF_INET, host.cStr(), &v4) == 1) {
      auto number = ntohl(v4.s_addr);
      result.isLoopback = number >> 24 == 127;
      if (number == 0) result.localHost = kj::str("127.0.0.1");
    } else if (host == "*") {
      result.localHost = kj::str("127.0.0.1");
    } else if (host.findFirst(':') != nullptr || host.findFirst('/') != nullptr) {
      return nullptr;
    } else {
      result.isLoopback = host == "localhost";
    }
    result.text = kj::str(text);
    result.host = kj::mv(host);
    return kj::mv(result);
  }
  return nullptr;
}

kj::Promise<kj::Own<kj::ConnectionReceiver>> openPort(kj::Network& network, kj::StringPtr text) {
  return network.parseAddress(text).then([](kj::Own<kj::NetworkAddress>&& address) {
    return address->listen();
  }).catch_([text = kj::str(text)](kj::Exception&& e) -> kj::Own<kj::ConnectionReceiver> {
    auto reason = textOf(e);
    if (strstr(reason.cStr(), strerror(EADDRINUSE)) != nullptr) {
      throwError(ErrorKind::FAILED,
                 kj::str(text, " is in use: is another bridge running there? --listen takes another address"));
    }
    throwError(ErrorKind::FAILED, kj::str("cannot listen on ", text, ": ", reason));
  });
}

}  // namespace sandbridge
