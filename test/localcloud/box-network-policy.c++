// Lists of allowed and denied addresses, the network turned on and off, and who can change that. The internet is a network
// namespace of the test: see own-internet.h.

#include <catch2/catch.hpp>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "box-processes.h"
#include "box-support.h"
#include "own-internet.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

bool canTest() {
  if (canHaveNetwork() && geteuid() == 0) return true;
  WARN("not root, no slirp4netns or no /dev/net/tun here: network policies are not tested");
  return false;
}

kj::Array<kj::String> list(std::initializer_list<kj::StringPtr> entries) {
  return KJ_MAP(entry, kj::heapArray<kj::StringPtr>(entries)) { return kj::str(entry); };
}

NetworkPolicy policy(std::initializer_list<kj::StringPtr> allow, std::initializer_list<kj::StringPtr> deny = {}) {
  return NetworkPolicy{true, list(allow), list(deny)};
}

NetworkPolicy off() {
  NetworkPolicy result;
  result.internet = false;
  return result;
}

BoxSpec specOf(kj::StringPtr id, NetworkPolicy network) {
  BoxSpec spec;
  spec.id = kj::str(id);
  spec.network = kj::mv(network);
  return spec;
}

constexpr std::initializer_list<kj::StringPtr> EVERY_HOST = {
    OwnInternet::HERE, OwnInternet::THERE, OwnInternet::ELSEWHERE, OwnInternet::PRIVATE, OwnInternet::OWN_PRIVATE};

// Which of the hosts a command in the box can connect to; and each other one must refuse at once.
kj::String reached(Box& box, kj::WaitScope& scope, uint16_t port) {
  kj::Vector<kj::String> script;
  for (auto host : EVERY_HOST) {
    script.add(kj::str("if text=$(timeout 5 bash -c 'exec 3<>/dev/tcp/", host, "/", port, "' 2>&1); then echo ", host,
                       "; else case $text in *'Connection refused'*|*'is unreachable'*) ;; *) echo \"", host,
                       ": $text\" ;; esac; fi"));
  }
  return run(box, scope, kj::strArray(script, "\n")).out;
}

kj::String lines(std::initializer_list<kj::StringPtr> hosts) {
  return kj::strArray(KJ_MAP(host, kj::heapArray<kj::StringPtr>(hosts)) { return kj::str(host, '\n'); }, "");
}

constexpr auto HERE = OwnInternet::HERE, THERE = OwnInternet::THERE, ELSEWHERE = OwnInternet::ELSEWHERE,
               PRIVATE = OwnInternet::PRIVATE, OWN_PRIVATE = OwnInternet::OWN_PRIVATE;

// One server of boxes in an internet of its own.
struct World {
  OwnInternet internet;
  Listener server;
  TemporaryFolder folder;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Own<Boxes> boxes = newBoxes(io, folder.path).wait(io.waitScope);

  kj::Own<Box> start(NetworkPolicy network, kj::StringPtr id = "online") {
    return boxes->start(specOf(id, kj::mv(network))).wait(io.waitScope);
  }
  void set(Box& box, NetworkPolicy network) { box.setNetwork(kj::mv(network)).wait(io.waitScope); }
  kj::String reachedBy(Box& box) { return reached(box, io.waitScope, server.port); }
};

}  // namespace

TEST_CASE("without lists a box reaches the internet, but neither private networks nor the machine that it runs on", "[network]") {
  if (!canTest()) return;
  World world;
  auto box = world.start({});
  CHECK(world.reachedBy(*box) == lines({THERE, ELSEWHERE}));
  for (auto host : {"169.254.169.254"_kj, "10.0.2.2"_kj, "0.0.0.1"_kj, "255.255.255.255"_kj}) {
    INFO(host.cStr());
    CHECK(run(*box, world.io.waitScope,
              kj::str("timeout 5 bash -c 'exec 3<>/dev/tcp/", host, "/", world.server.port, "'")).exitCode == 1);
  }
  box->end().wait(world.io.waitScope);
}

TEST_CASE("an allow list lets through what it names and nothing else", "[network]") {
  if (!canTest()) return;
  World world;
  auto box = world.start(policy({THERE, PRIVATE}));
  CHECK(world.reachedBy(*box) == lines({THERE, PRIVATE}));
  world.set(*box, policy({"198.51.100.0/24"}));
  CHECK(world.reachedBy(*box) == lines({THERE}));
  world.set(*box, policy({"198.51.100.0/24", HERE, "0.0.0.0/0", "10.0.0.0/8"}));
  CHECK(world.reachedBy(*box) == lines({HERE, THERE, ELSEWHERE, PRIVATE}));
  world.set(*box, policy({OWN_PRIVATE}));
  CHECK(world.reachedBy(*box) == lines({OWN_PRIVATE}));
  box->end().wait(world.io.waitScope);
}

TEST_CASE("a deny list closes what it names, and wins over the allow list", "[network]") {
  if (!canTest()) return;
  World world;
  auto box = world.start(policy({}, {"203.0.113.0/24"}));
  CHECK(world.reachedBy(*box) == lines({THERE}));
  world.set(*box, policy({"198.51.100.0/24", "203.0.113.0/24", "10.77.0.0/16"}, {THERE, "10.77.0.4/30"}));
  CHECK(world.reachedBy(*box) == lines({ELSEWHERE}));
  box->end().wait(world.io.waitScope);
}

TEST_CASE("the network of a running box changes in each direction, and what runs in it goes on", "[network]") {
  if (!canTest()) return;
  World world;
  auto box = world.start(off());
  auto& scope = world.io.waitScope;
  auto sleeper = start(*box, scope, "exec sleep 1000");
  CHECK(world.reachedBy(*box) == "");
  world.set(*box, {});
  CHECK(world.reachedBy(*box) == lines({THERE, ELSEWHERE}));
  world.set(*box, policy({THERE}));
  CHECK(world.reachedBy(*box) == lines({THERE}));
  world.set(*box, off());
  CHECK(world.reachedBy(*box) == "");
  CHECK(run(*box, scope, "timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.3/53'").exitCode == 1);
  world.set(*box, policy({}, {THERE}));
  CHECK(world.reachedBy(*box) == lines({ELSEWHERE}));
  // Its own loopback was there all the time.
  CHECK(line(*box, scope,
             "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen=>1,LocalAddr=>\"127.0.0.1\",LocalPort=>3000) "
             "or exit 9; exit(system(\"timeout 3 bash -c \\\"exec 3<>/dev/tcp/127.0.0.1/3000\\\"\") >> 8)'; echo $?") == "0");
  CHECK(run(*box, scope, kj::str("kill -0 ", sleeper)).exitCode == 0);
  box->end().wait(scope);
}

TEST_CASE("the network of a frozen box changes before anything in it goes on", "[network]") {
  if (!canTest()) return;
  World world;
  auto& scope = world.io.waitScope;
  auto box = world.start(off());
  box->freeze().wait(scope);
  world.set(*box, policy({THERE}));
  box->thaw().wait(scope);
  CHECK(world.reachedBy(*box) == lines({THERE}));
  box->freeze().wait(scope);
  world.set(*box, off());
  box->thaw().wait(scope);
  CHECK(world.reachedBy(*box) == "");
  box->end().wait(scope);
}

TEST_CASE("an open connection to what is closed now ends with its next packet; others go on", "[network]") {
  if (!canTest()) return;
  World world;
  auto& scope = world.io.waitScope;
  auto box = world.start({});
  // Each waits for the word, then sends a byte each 20 ms until that fails or has been done 50 times, and says which.
  constexpr auto SCRIPT =
      "use IO::Socket::INET; $SIG{PIPE} = q(IGNORE); my ($host, $port) = @ARGV; "
      "my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die $!; "
      "open my $f, q(>), qq(/tmp/$host.open); select(undef, undef, undef, 0.02) until -e q(/tmp/go); "
      "my $n = 0; while ($n < 50 && syswrite($s, q(x))) { $n++; select(undef, undef, undef, 0.02) } my $why = $!; "
      "open my $r, q(>), qq(/tmp/$host.new); print $r ($n == 50 ? q(went on) : $why); close $r; "
      "rename qq(/tmp/$host.new), qq(/tmp/$host.done)"_kj;
  for (auto host : {THERE, ELSEWHERE}) {
    start(*box, scope, kj::str("exec perl -e '", SCRIPT, "' ", host, " ", world.server.port));
    CHECK(run(*box, scope, kj::str("for i in $(seq 500); do [ -e /tmp/", host, ".open ] && exit 0; sleep 0.02; done; exit 1"))
              .exitCode == 0);
  }
  world.set(*box, policy({}, {THERE}));
  run(*box, scope, "touch /tmp/go");
  auto outcome = [&](kj::StringPtr host) {
    return line(*box, scope, kj::str("for i in $(seq 500); do [ -e /tmp/", host, ".done ] && break; sleep 0.02; done; cat /tmp/",
                                     host, ".done; echo"));
  };
  CHECK(outcome(THERE) == "Connection reset by peer");
  CHECK(outcome(ELSEWHERE) == "went on");
  box->end().wait(scope);
}

TEST_CASE("nothing comes in any more from what is closed, nor from a datagram's other end", "[network]") {
  if (!canTest()) return;
  World world;
  auto& scope = world.io.waitScope;
  Listener datagrams(SOCK_DGRAM, 0, THERE);
  auto box = world.start({});
  start(*box, scope, kj::str("exec perl -MIO::Socket::INET -e '"
                           "my $s = IO::Socket::INET->new(Proto => q(udp), PeerAddr => q(", THERE, "), PeerPort => ",
                           datagrams.port, ") or die $!; $s->send(q(hello)); my $text; "
                           "while ($s->recv($text, 100) || 1) { open my $f, q(>>), q(/tmp/got); print $f $text }'"));
  char text[16];
  sockaddr_in peer;
  socklen_t size = sizeof peer;
  KJ_REQUIRE(recvfrom(datagrams.fd, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&peer), &size) == 5);
  auto send = [&](kj::StringPtr word) {
    KJ_REQUIRE(sendto(datagrams.fd, word.begin(), word.size(), 0, reinterpret_cast<sockaddr*>(&peer), size) ==
               static_cast<ssize_t>(word.size()));
  };
  auto got = [&](kj::StringPtr word) {
    return run(*box, scope, kj::str("for i in $(seq 200); do grep -q ", word, " /tmp/got && exit 0; sleep 0.02; done; exit 1"))
               .exitCode == 0;
  };
  send("before ");
  CHECK(got("before"));
  world.set(*box, policy({ELSEWHERE}));
  send("meanwhile ");
  // Goes the same way after it: when that has arrived, the datagram has been there.
  CHECK(world.reachedBy(*box) == lines({ELSEWHERE}));
  world.set(*box, {});
  send("after ");
  CHECK(got("after"));
  CHECK(line(*box, scope, "cat /tmp/got; echo") == "before after ");
  box->end().wait(scope);
}

TEST_CASE("processes of a box cannot change its network", "[network]") {
  if (!canTest()) return;
  World world;
  auto& scope = world.io.waitScope;
  auto box = world.start(policy({THERE}));
  // The tools of the host may be missing: the calls are made all the same.
  auto result = run(*box, scope,
                    "perl -e '"
                    // AF_NETLINK, NETLINK_NETFILTER: a batch of which the kernel says EPERM.
                    "socket(my $s, 16, 3, 12) or die qq(no netlink: $!); "
                    "my $m = pack(q(LSSLL CCn), 20, 16, 5, 1, 0, 0, 0, 10); "
                    "send($s, $m, 0, pack(q(SSLL), 16, 0, 0, 0)) or print qq(send: $!\\n); "
                    "recv($s, my $answer, 4096, 0); print unpack(q(l), substr($answer, 16, 4)), qq(\\n); "
                    // SIOCSIFFLAGS on tap0, and a raw socket past the rules' connections.
                    "socket(my $i, 2, 2, 0); print ioctl($i, 0x8914, my $r = pack(q(a16S), q(tap0), 0)) ? q(down) : $!, qq(\\n); "
                    "print socket(my $raw, 2, 3, 255) ? q(raw) : $!, qq(\\n); "
                    "print socket(my $packet, 17, 3, 0) ? q(packet) : $!, qq(\\n); "
                    "print socket(my $vsock, 40, 1, 0) ? q(vsock) : $!, qq(\\n)'; "
                    "unshare -Urn true 2>/dev/null && echo unshared; "
                    "nsenter --net=/proc/1/ns/net true 2>/dev/null && echo entered; true");
  CHECK(result.out ==
        "-1\nOperation not permitted\nOperation not permitted\n"
        "Address family not supported by protocol\nAddress family not supported by protocol\n");
  CHECK(result.err == "");
  CHECK(world.reachedBy(*box) == lines({THERE}));
  box->end().wait(scope);
}

TEST_CASE("a box keeps its policy when its server is killed, and the next one can change it", "[network]") {
  if (!canTest()) return;
  OwnInternet internet;
  Listener server;
  TemporaryFolder folder;
  inKilledServer(folder.path, [&](kj::AsyncIoContext& io, Boxes& boxes) {
    auto box = boxes.start(specOf("kept", policy({THERE}))).wait(io.waitScope);
    auto other = boxes.start(specOf("dark", off())).wait(io.waitScope);
    box->setNetwork(policy({ELSEWHERE})).wait(io.waitScope);
  });
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto adopted = boxes->adopt().wait(io.waitScope);
  REQUIRE(adopted.size() == 2);
  for (auto& each : adopted) {
    INFO(each.id.cStr());
    auto& box = *KJ_REQUIRE_NONNULL(each.box);
    CHECK(reached(box, io.waitScope, server.port) == (each.id == "kept" ? lines({ELSEWHERE}) : kj::str("")));
    box.setNetwork(policy({THERE})).wait(io.waitScope);
    CHECK(reached(box, io.waitScope, server.port) == lines({THERE}));
    box.end().wait(io.waitScope);
  }
}

TEST_CASE("a box that has ended changes no network", "[network]") {
  if (!canTest()) return;
  World world;
  auto box = world.start({});
  box->end().wait(world.io.waitScope);
  CHECK_THROWS(world.set(*box, off()));
}

TEST_CASE("only names are asked of the name server's machine", "[network]") {
  if (!canTest()) return;
  // In a child, whose own /etc/resolv.conf says which machine that is.
  auto report = inChild([]() -> kj::String {
    OwnInternet internet;
    Listener other;
    TemporaryFolder folder;
    KJ_SYSCALL(unshare(CLONE_NEWNS));
    KJ_REQUIRE(system("mount --make-rprivate /") == 0);
    auto conf = kj::str(folder.path, "/resolv.conf");
    KJ_REQUIRE(system(kj::str("echo nameserver ", PRIVATE, " >", conf, " && chmod 644 ", conf, " && mount --bind ", conf,
                              " $(readlink -f /etc/resolv.conf)").cStr()) == 0);
    Listener names(SOCK_DGRAM, 53);
    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, kj::str(folder.path, "/boxes")).wait(io.waitScope);
    auto box = boxes->start(specOf("asking", policy({THERE}))).wait(io.waitScope);
    kj::Vector<kj::String> problems;
    auto expect = [&](kj::StringPtr what, int wanted, kj::StringPtr script) {
      int got = run(*box, io.waitScope, script).exitCode;
      if (got != wanted) problems.add(kj::str(what, ": ", got));
    };
    auto connect = [&](kj::StringPtr host) { return kj::str("timeout 5 bash -c 'exec 3<>/dev/tcp/", host, '/', other.port, "'"); };
    expect("another port of the name server", 1, connect("10.0.2.3"));
    expect("the machine behind it", 1, connect(PRIVATE));
    expect("what is allowed", 0, connect(THERE));
    expect("a question", 0, "bash -c 'echo question >/dev/udp/10.0.2.3/53'");
    char text[16] = {};
    if (recv(names.fd, text, sizeof text, 0) != 9) problems.add(kj::str("the question did not arrive"));
    box->setNetwork(off()).wait(io.waitScope);
    run(*box, io.waitScope, "bash -c 'echo secret >/dev/udp/10.0.2.3/53'; true");
    box->setNetwork({}).wait(io.waitScope);
    run(*box, io.waitScope, "bash -c 'echo last >/dev/udp/10.0.2.3/53'");
    memset(text, 0, sizeof text);
    if (recv(names.fd, text, sizeof text, 0) != 5) problems.add(kj::str("while off: ", text));
    box->end().wait(io.waitScope);
    return kj::strArray(problems, "\n");
  });
  CHECK(report == "");
}

TEST_CASE("a plain user's box has the same policies", "[network]") {
  if (!canTest()) return;
  auto report = inChild([]() -> kj::String {
    OwnInternet internet;
    Listener server;
    TemporaryFolder folder;
    KJ_SYSCALL(chmod(folder.path.cStr(), 0777));
    // As on desktops, where everybody may open it.
    KJ_SYSCALL(unshare(CLONE_NEWNS));
    auto tun = kj::str(folder.path, "/tun");
    KJ_SYSCALL(mknod(tun.cStr(), S_IFCHR, makedev(10, 200)));
    KJ_SYSCALL(chmod(tun.cStr(), 0666));
    KJ_REQUIRE(system(kj::str("mount --make-rprivate / && mount --bind ", tun, " /dev/net/tun").cStr()) == 0);
    auto report = asPlainUser([&]() -> kj::String {
      auto io = kj::setupAsyncIo();
      auto boxes = newBoxes(io, kj::str(folder.path, "/boxes")).wait(io.waitScope);
      auto box = boxes->start(specOf("plain", off())).wait(io.waitScope);
      auto listed = boxes->start(specOf("listed", policy({THERE}))).wait(io.waitScope);
      kj::Vector<kj::String> problems;
      auto expect = [&](Box& box, kj::StringPtr wanted) {
        auto got = reached(box, io.waitScope, server.port);
        if (got != wanted) problems.add(kj::str("reached ", got, " instead of ", wanted));
      };
      expect(*listed, lines({THERE}));
      expect(*box, "");
      box->setNetwork({}).wait(io.waitScope);
      expect(*box, lines({THERE, ELSEWHERE}));
      box->setNetwork(policy({}, {THERE})).wait(io.waitScope);
      expect(*box, lines({ELSEWHERE}));
      box->setNetwork(off()).wait(io.waitScope);
      expect(*box, "");
      box->end().wait(io.waitScope);
      listed->end().wait(io.waitScope);
      return kj::strArray(problems, "\n");
    });
    return report;
  });
  CHECK(report == "");
}

TEST_CASE("where the kernel has no packet filter, boxes have no internet and lists are refused, saying why", "[network]") {
  if (!canTest()) return;
  auto report = inChild([]() -> kj::String {
    OwnInternet internet;
    TemporaryFolder folder;
    // For this process and what it starts: no socket of NETLINK_NETFILTER.
    constexpr uint32_t PROTOCOL = 12;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROTOCOL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    sock_fprog filter = {sizeof program / sizeof program[0], program};
    KJ_SYSCALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));

    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, kj::str(folder.path, "/boxes")).wait(io.waitScope);
    kj::Vector<kj::String> problems;
    auto expectWhy = [&](kj::StringPtr what, kj::Maybe<kj::String> why) {
      KJ_IF_MAYBE (text, why) {
        if (strstr(text->cStr(), "nf_tables") == nullptr) problems.add(kj::str(what, ": ", *text));
      } else {
        problems.add(kj::str(what, " is not refused"));
      }
    };
    auto failure = [&](kj::Promise<void> promise) -> kj::Maybe<kj::String> {
      kj::Maybe<kj::String> why;
      promise.catch_([&](kj::Exception&& e) { why = kj::str(e.getDescription()); }).wait(io.waitScope);
      return why;
    };
    expectWhy("asking", boxes->whyNotEnforced(policy({THERE})));
    expectWhy("a start with lists", failure(kj::evalNow([&]() {
                return boxes->start(specOf("listed", policy({THERE}))).ignoreResult();
              })));
    for (bool on : {true, false}) {
      auto box = boxes->start(specOf(on ? "wanted" : "dark", on ? NetworkPolicy{} : off())).wait(io.waitScope);
      auto interfaces = line(*box, io.waitScope, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '");
      if (interfaces != "lo") problems.add(kj::str("it has ", interfaces));
      expectWhy("a change", failure(kj::evalNow([&]() { return box->setNetwork(policy({THERE})); })));
      KJ_IF_MAYBE (why, failure(kj::evalNow([&]() { return box->setNetwork(off()); }))) problems.add(kj::str("off: ", *why));
      box->end().wait(io.waitScope);
    }
    return kj::strArray(problems, "\n");
  });
  CHECK(report == "");
}
