#include "box-network.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <kj/async-unix.h>
#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "box-control.h"
#include "box-image.h"
#include "box-launch.h"

namespace sandbridge::localcloud {

namespace {

// Longer than the helper waits for slirp4netns.
constexpr kj::Duration DEADLINE = 12 * kj::SECONDS;

kj::Array<AddressRange> ownAddresses() {
  ifaddrs* list;
  KJ_SYSCALL(getifaddrs(&list));
  KJ_DEFER(freeifaddrs(list));
  kj::Vector<AddressRange> result;
  for (auto* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    uint32_t address = ntohl(reinterpret_cast<sockaddr_in*>(entry->ifa_addr)->sin_addr.s_addr);
    result.add(AddressRange{address, address});
  }
  return result.releaseAsArray();
}

}  // namespace

NetworkSpec enforcementOf(const NetworkPolicy& policy) {
  NetworkSpec spec;
  spec.internet = policy.internet;
  spec.reachable = reachableUnder(policy, ownAddresses());
  return spec;
}

kj::Promise<void> changeNetwork(kj::AsyncIoContext& io, int image, kj::AutoCloseFd box, NetworkSpec spec) {
  int pair[2];
  KJ_SYSCALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
  kj::AutoCloseFd ours(pair[0]), theirs(pair[1]);
  kj::Vector<kj::String> arguments;
  for (kj::StringPtr argument : {"network"_kj, "3"_kj, "4"_kj}) arguments.add(kj::str(argument));
  for (auto& argument : spec.toArguments()) arguments.add(kj::mv(argument));
  auto process = spawnBoxImage(image, arguments, {theirs.get(), box.get()});
  theirs = nullptr;
  KJ_DEFER(endChild(process));

  kj::UnixEventPort::FdObserver observer(io.unixEventPort, ours, kj::UnixEventPort::FdObserver::OBSERVE_READ);
  co_await io.lowLevelProvider->getTimer().timeoutAfter(DEADLINE, observer.whenBecomesReadable());
  auto packet = receivePacket(ours);
  KJ_IF_MAYBE (p, packet) {
    if (p->text == "ok") co_return;
    constexpr auto ERROR = "error "_kj;
    if (p->text.startsWith(ERROR)) throwError(ErrorKind::FAILED, kj::str(p->text.slice(ERROR.size())));
  }
  throwError(ErrorKind::FAILED, "the network helper ended without an answer");
}

}  // namespace sandbridge::localcloud
