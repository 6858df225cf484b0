// What a box can reach. Loopback targets only: no test needs the internet.

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "box-support.h"
#include "own-internet.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

// A server of the host that only the host's loopback may reach.
struct HostServer {
  int fd;
  uint16_t port;
  HostServer() {
    KJ_SYSCALL(fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    KJ_SYSCALL(bind(fd, reinterpret_cast<sockaddr*>(&address), size));
    KJ_SYSCALL(listen(fd, 8));
    KJ_SYSCALL(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size));
    port = ntohs(address.sin_port);
  }
  ~HostServer() { close(fd); }
};

}  // namespace

TEST_CASE("a box with internet has its own network, from which the host's loopback is not reached") {
  if (!canHaveNetwork()) {
    WARN("no slirp4netns or no /dev/net/tun here: only boxes without internet are tested");
    return;
  }
  TemporaryFolder folder;
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  HostServer server;
  BoxSpec spec;
  spec.id = kj::str("online");
  auto box = boxes->start(kj::mv(spec)).wait(io.waitScope);
  // Up before the first command: no waiting, no race.
  CHECK(run(*box, io.waitScope, "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' ' | sort").out == "lo\ntap0\n");
  CHECK(line(*box, io.waitScope, "awk '$2 == \"00000000\" {print $1}' /proc/net/route") == "tap0");
  CHECK(line(*box, io.waitScope, "cat /etc/resolv.conf") == "nameserver 10.0.2.3");
  for (kj::StringPtr host : {"10.0.2.2"_kj, "127.0.0.1"_kj}) {
    INFO(host.cStr());
    CHECK(run(*box, io.waitScope,
              kj::str("timeout 3 bash -c 'exec 3<>/dev/tcp/", host, "/", server.port, "'")).exitCode != 0);
  }
  // The check itself can succeed: the same within the box.
  CHECK(run(*box, io.waitScope,
            "perl -MIO::Socket::INET -e '"
            "my $s = IO::Socket::INET->new(Listen=>1,LocalAddr=>\"127.0.0.1\",LocalPort=>3000) or exit 9; "
            "exit(system(\"timeout 3 bash -c \\\"exec 3<>/dev/tcp/127.0.0.1/3000\\\"\") >> 8)'").exitCode == 0);
  box->end().wait(io.waitScope);
}

TEST_CASE("the network helper ends with its box") {
  if (!canHaveNetwork()) return;
  TemporaryFolder folder;
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  BoxSpec spec;
  spec.id = kj::str("online");
  auto box = boxes->start(kj::mv(spec)).wait(io.waitScope);
  // Its last arguments are the box's pid on the host and the device. Others may run boxes here, too.
  auto inode = line(*box, io.waitScope, "readlink /proc/self/ns/pid");
  auto helpers = [&](kj::StringPtr pids) {
    auto command = kj::str("ps -eo stat,args | grep -Ec '^[^Z].*slirp4netns.* (", pids, ") tap0$'");
    FILE* pipe = popen(command.cStr(), "re");
    int count = 0;
    KJ_REQUIRE(fscanf(pipe, "%d", &count) == 1);
    pclose(pipe);
    return count;
  };
  auto pids = [&]() {
    auto command = kj::str("find /proc -maxdepth 1 -name '[0-9]*' -printf '%f\\n' | while read p; do "
                           "[ \"$(readlink /proc/$p/ns/pid)\" = '", inode, "' ] && echo $p; done | paste -sd '|'");
    FILE* pipe = popen(command.cStr(), "re");
    char text[4096] = {};
    KJ_REQUIRE(fgets(text, sizeof text, pipe) != nullptr);
    pclose(pipe);
    text[strcspn(text, "\n")] = 0;
    return kj::str(text);
  }();
  CHECK(helpers(pids) == 1);
  box->end().wait(io.waitScope);
  auto& timer = io.provider->getTimer();
  for (int i = 0; i < 200 && helpers(pids) > 0; i++) {
    timer.afterDelay(20 * kj::MILLISECONDS).wait(io.waitScope);
  }
  CHECK(helpers(pids) == 0);
}
