#pragma once
// A network namespace for the server of boxes, whose internet is on its own loopback interface. No test needs a real one.

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kj/debug.h>
#include <kj/io.h>
#include <kj/string.h>

namespace sandbridge::localcloud::test {

inline bool canHaveNetwork() {
  return access("/dev/net/tun", R_OK | W_OK) == 0 && system("command -v slirp4netns >/dev/null") == 0;
}

// This process is in it while this lives. All addresses of the three networks are servers; the machine's own are those that
// end in 1. Needs root.
class OwnInternet {
 public:
  // Two of the internet's networks (which are for documentation: nobody has them), and a private one.
  static constexpr kj::StringPtr HERE = "198.51.100.1"_kj, THERE = "198.51.100.7"_kj, ELSEWHERE = "203.0.113.9"_kj,
                                 PRIVATE = "10.77.0.5"_kj, OWN_PRIVATE = "10.77.0.1"_kj;

  OwnInternet() : before(openSelf()) {
    KJ_SYSCALL(unshare(CLONE_NEWNET));
    int fd;
    KJ_SYSCALL(fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    kj::AutoCloseFd owned(fd);
    ifreq request = {};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    KJ_SYSCALL(ioctl(fd, SIOCSIFFLAGS, &request));
    int count = 0;
    for (kj::StringPtr own : {HERE, "203.0.113.1"_kj, OWN_PRIVATE}) {
      strcpy(request.ifr_name, kj::str("lo:", ++count).cStr());
      auto& address = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
      address = {};
      address.sin_family = AF_INET;
      KJ_REQUIRE(inet_pton(AF_INET, own.cStr(), &address.sin_addr) == 1);
      KJ_SYSCALL(ioctl(fd, SIOCSIFADDR, &request), own);
      // All of the network is local: loopback interfaces are like that.
      address.sin_addr.s_addr = htonl(0xffffff00);
      KJ_SYSCALL(ioctl(fd, SIOCSIFNETMASK, &request), own);
    }
  }
  ~OwnInternet() noexcept(false) { KJ_SYSCALL(setns(before, CLONE_NEWNET)); }

 private:
  kj::AutoCloseFd before;

  static kj::AutoCloseFd openSelf() {
    int fd;
    KJ_SYSCALL(fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    return kj::AutoCloseFd(fd);
  }
};

// Listens on every address of this process' network unless one is named; connections wait to be accepted, and
// who waits for a datagram does so for ten seconds.
class Listener {
 public:
  explicit Listener(int type = SOCK_STREAM, uint16_t wanted = 0, kj::StringPtr host = "0.0.0.0") {
    int socketFd;
    KJ_SYSCALL(socketFd = socket(AF_INET, type | SOCK_CLOEXEC, 0));
    fd = kj::AutoCloseFd(socketFd);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(wanted);
    KJ_REQUIRE(inet_pton(AF_INET, host.cStr(), &address.sin_addr) == 1);
    socklen_t size = sizeof address;
    KJ_SYSCALL(bind(fd, reinterpret_cast<sockaddr*>(&address), size));
    if (type == SOCK_STREAM) {
      KJ_SYSCALL(listen(fd, 64));
    } else {
      timeval patience = {10, 0};
      KJ_SYSCALL(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    }
    KJ_SYSCALL(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size));
    port = ntohs(address.sin_port);
  }
  kj::AutoCloseFd fd;
  uint16_t port;
};

}  // namespace sandbridge::localcloud::test
