// The life of real boxes. Runs as root (boxes with a range of ids) and as a plain user (boxes with one).

#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box-support.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

BoxSpec spec(kj::StringPtr id) {
  BoxSpec result;
  result.id = kj::str(id);
  result.network.internet = false;
  return result;
}

struct Fixture {
  TemporaryFolder folder;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::WaitScope& scope = io.waitScope;
  kj::Own<Boxes> boxes = newBoxes(io, folder.path).wait(scope);

  kj::Own<Box> start(BoxSpec s) { return boxes->start(kj::mv(s)).wait(scope); }
  kj::Own<Box> start(kj::StringPtr id) { return start(spec(id)); }
};

kj::String readFile(kj::StringPtr path) {
  FILE* file = fopen(path.cStr(), "re");
  if (file == nullptr) return kj::str("");
  kj::Vector<char> text;
  int c;
  while ((c = fgetc(file)) != EOF) text.add(c);
  fclose(file);
  text.add(0);
  return kj::String(text.releaseAsArray());
}

// Pids of host processes whose pid namespace is the one of `pid`.
kj::Vector<pid_t> processesOf(ino_t pidNamespace) {
  kj::Vector<pid_t> result;
  DIR* proc = opendir("/proc");
  while (dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    struct stat st;
    if (stat(kj::str("/proc/", entry->d_name, "/ns/pid").cStr(), &st) < 0 ||
        st.st_ino != pidNamespace) {
      continue;
    }
    // A dead one waits for the machine's init to collect it.
    auto text = readFile(kj::str("/proc/", entry->d_name, "/stat"));
    const char* state = strrchr(text.cStr(), ')');
    if (state != nullptr && state[2] != 'Z') result.add(atoi(entry->d_name));
  }
  closedir(proc);
  return result;
}

ino_t namespaceOf(Box& box, kj::WaitScope& scope) {
  // "pid:[4026532000]"
  auto text = line(box, scope, "readlink /proc/self/ns/pid");
  return strtoull(text.cStr() + 5, nullptr, 10);
}

bool exists(kj::StringPtr path) { return access(path.cStr(), F_OK) == 0; }

}  // namespace

TEST_CASE("a box starts, runs a command as its own root, and ends") {
  Fixture f;
  auto box = f.start("one");
  auto result = run(*box, f.scope, "id -u; pwd; hostname; echo oops >&2; exit 3");
  CHECK(result.out == "0\n/workspace\none\n");
  CHECK(result.err == "oops\n");
  CHECK(result.exitCode == 3);
  CHECK(result.exitEvents == 1);
  box->end().wait(f.scope);
  box->end().wait(f.scope);
  box->onEnd().wait(f.scope);
}

TEST_CASE("no process of a box has the host's uid 0, and none can gain privileges") {
  if (geteuid() != 0) return;  // as a plain user it holds by itself
  Fixture f;
  auto box = f.start("ids");
  auto inode = namespaceOf(*box, f.scope);
  start(*box, f.scope, "exec sleep 60");
  auto pids = processesOf(inode);
  CHECK(pids.size() >= 2);
  for (pid_t pid : pids) {
    auto status = readFile(kj::str("/proc/", pid, "/status"));
    const char* uids = strstr(status.cStr(), "Uid:");
    REQUIRE(uids != nullptr);
    unsigned long real = 0, effective = 0, saved = 0, files = 0;
    REQUIRE(sscanf(uids, "Uid: %lu %lu %lu %lu", &real, &effective, &saved, &files) == 4);
    for (unsigned long uid : {real, effective, saved, files}) CHECK(uid >= 100000);
    CHECK(strstr(status.cStr(), "NoNewPrivs:\t1") != nullptr);
    CHECK(strstr(status.cStr(), "Seccomp:\t2") != nullptr);
  }
  box->end().wait(f.scope);
}

TEST_CASE("a box sees nothing of the host's homes, secrets, sockets and processes") {
  Fixture f;
  auto box = f.start("hidden");
  CHECK(run(*box, f.scope, "ls -A /root /home /srv /mnt /run /sys").out ==
        "/home:\n\n/mnt:\n\n/root:\n\n/run:\n\n/srv:\n\n/sys:\n");
  // The host's own /tmp, the test's folder in it included.
  CHECK(run(*box, f.scope, "ls -A /tmp").out == "");
  CHECK(run(*box, f.scope, "ls -d /work /boot /data /lost+found 2>/dev/null").out == "");
  CHECK(run(*box, f.scope, "ls -d /etc/ssh /etc/sudoers /etc/docker /etc/ssl/private 2>/dev/null").out == "");
  // The box's own shadow, without any hash.
  CHECK(run(*box, f.scope, "grep -v ':\\*:' /etc/shadow").out == "");
  CHECK(run(*box, f.scope, "ls /proc | grep -c '^[0-9]'").out.cStr()[1] == '\n');
  CHECK(run(*box, f.scope, "env | sort | cut -d= -f1 | tr '\\n' ' '").out ==
        "HOME LANG LOGNAME PATH PWD TERM USER \n");
  auto mounts = run(*box, f.scope, "cat /proc/mounts").out;
  CHECK(strstr(mounts.cStr(), f.folder.path.cStr()) == nullptr);
  box->end().wait(f.scope);
}

TEST_CASE("files can be written in the workspace, home and /tmp, and stay on the box's side") {
  Fixture f;
  auto box = f.start("files");
  CHECK(run(*box, f.scope, "for d in /workspace /root /tmp /home; do echo x > $d/f || exit 1; done").exitCode == 0);
  CHECK(run(*box, f.scope, "cat /workspace/f /root/f /tmp/f /home/f").out == "x\nx\nx\nx\n");
  CHECK(!exists("/workspace/f"));
  CHECK(!exists("/home/f"));
  if (geteuid() == 0) {
    CHECK(run(*box, f.scope, "echo hi > /usr/bin/sandbridge-test-tool; rm /usr/bin/env; ls /usr/bin/env").exitCode != 0);
    CHECK(!exists("/usr/bin/sandbridge-test-tool"));
    CHECK(exists("/usr/bin/env"));
  }
  box->end().wait(f.scope);
}

TEST_CASE("hostile commands cannot reach the daemon, the kernel's knobs or other namespaces") {
  Fixture f;
  auto box = f.start("hostile");
  auto fails = [&](kj::StringPtr script) {
    INFO(script.cStr());
    CHECK(run(*box, f.scope, script).exitCode != 0);
  };
  run(*box, f.scope, "kill -9 1; kill -STOP 1; kill -TERM 1");
  CHECK(line(*box, f.scope, "echo alive") == "alive");
  fails("cat /proc/1/environ");
  fails("readlink /proc/1/fd/3 /proc/1/exe");
  fails("cat /proc/1/fd/5");
  fails("ls /proc/1/root/");
  fails("head -c1 /proc/1/mem");
  fails("unshare -Ur true");
  fails("unshare -m true");
  fails("mount -t tmpfs x /mnt");
  fails("mount -o remount,rw /proc/sys");
  fails("umount /proc/kcore");
  fails("echo x > /proc/sys/kernel/core_pattern");
  fails("echo h > /proc/sysrq-trigger && ! test -c /proc/sysrq-trigger");
  fails("mknod /tmp/disk b 254 0 && head -c1 /tmp/disk");
  fails("dmesg");
  fails("hostname evil");
  fails("ulimit -u 1000000");
  CHECK(line(*box, f.scope, "ulimit -c") == "0");
  // No daemon socket by any path, no descriptor inherited.
  CHECK(run(*box, f.scope, "ls /proc/self/fd | tr '\\n' ' '").out == "0 1 2 3 \n");
  CHECK(line(*box, f.scope, "ls /sys/class/net 2>/dev/null; cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' \\n'") == "lo");
  box->end().wait(f.scope);
}

TEST_CASE("ending a box ends every process, even of a fork storm") {
  Fixture f;
  auto box = f.start("storm");
  auto inode = namespaceOf(*box, f.scope);
  start(*box, f.scope,
        "bomb() { while :; do sleep 0.01 & sleep 0.01; done; }; "
        "for i in 1 2 3 4 5 6 7 8; do bomb & done; setsid -f sleep 1000; wait");
  run(*box, f.scope, "sleep 0.2");
  CHECK(processesOf(inode).size() > 8);
  box->end().wait(f.scope);
  CHECK(processesOf(inode).size() == 0);
}

TEST_CASE("a box cannot have more processes than its limit, and its daemon still answers then") {
  Fixture f;
  auto box = f.start("many");
  // Sleepers, so that the machine of the test does not suffer.
  // Its parent stays, so that they do.
  start(*box, f.scope,
        "exec 2> err; (for i in $(seq 3000); do sleep 1000 & done); echo $? > status.new; mv status.new status; "
        "exec sleep 1000");
  auto read = [&](kj::StringPtr name) {
    auto answer = ask(box->connect().wait(f.scope), kj::HttpMethod::GET,
                      kj::str("/api/v1/files?path=/workspace/", name)).wait(f.scope);
    return answer.status == 200 ? kj::mv(answer.body) : kj::str("");
  };
  // By the daemon: nothing else can be started any more.
  auto& timer = f.io.provider->getTimer();
  for (int i = 0; i < 3000 && read("status") == ""; i++) timer.afterDelay(10 * kj::MILLISECONDS).wait(f.scope);
  CHECK(read("status") != "0\n");
  CHECK(read("status") != "");
  auto err = read("err");
  CHECK(strstr(err.cStr(), "ork") != nullptr);  // "Cannot fork"
  auto answer = ask(box->connect().wait(f.scope), kj::HttpMethod::GET, kj::str("/api/v1/health"))
                    .wait(f.scope);
  CHECK(answer.body == "{\"healthy\":true}");
  box->end().wait(f.scope);
}

TEST_CASE("commands that want every processor keep the daemon neither from answering nor from its end") {
  Fixture f;
  auto box = f.start("hungry");
  auto inode = namespaceOf(*box, f.scope);
  CHECK(line(*box, f.scope, "nice") == "0");
  if (geteuid() == 0) {
    // What makes it so: the daemon goes first. A plain user's box has the kernel's fairness between sessions only.
    int daemons = 0;
    for (pid_t pid : processesOf(inode)) daemons += getpriority(PRIO_PROCESS, pid) < 0;
    CHECK(daemons == 1);
  }
  // Each child fails to fork most of the time, which takes more of the kernel than a mere loop.
  start(*box, f.scope, "exec perl -e 'for (1..300) { fork or last } fork while 1'");
  auto& timer = f.io.provider->getTimer();
  for (int i = 0; i < 5; i++) {
    auto connection = timer.timeoutAfter(20 * kj::SECONDS, box->connect()).wait(f.scope);
    auto answer = timer.timeoutAfter(20 * kj::SECONDS, ask(kj::mv(connection), kj::HttpMethod::GET,
                                                           kj::str("/api/v1/health"))).wait(f.scope);
    CHECK(answer.status == 200);
  }
  timer.timeoutAfter(30 * kj::SECONDS, box->end()).wait(f.scope);
  CHECK(processesOf(inode).size() == 0);
}

TEST_CASE("a removed box leaves no file, whatever modes it gave its folders") {
  Fixture f;
  auto box = f.start("gone");
  run(*box, f.scope,
      "mkdir -p a/b/c; touch a/b/c/f; chmod 0 a/b/c a/b a; "
      "p=deep; for i in $(seq 150); do mkdir $p; cd $p; done; touch bottom; ln -s /etc/passwd link");
  CHECK_THROWS_WITH(f.boxes->remove("gone").wait(f.scope), Catch::Contains("still running"));
  box->end().wait(f.scope);
  f.boxes->remove("gone").wait(f.scope);
  CHECK(!exists(kj::str(f.folder.path, "/boxes/gone")));
  // The deletion goes on in the background.
  for (int i = 0; i < 500; i++) {
    auto left = readdirCount(kj::str(f.folder.path, "/trash"));
    if (left == 0) break;
    f.io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(f.scope);
  }
  CHECK(readdirCount(kj::str(f.folder.path, "/trash")) == 0);
  CHECK(exists("/etc/passwd"));
}

TEST_CASE("a box that is started again has its files, and none of its processes") {
  Fixture f;
  auto box = f.start("again");
  run(*box, f.scope, "echo kept > /workspace/f; echo note > /etc/motd.sandbridge");
  start(*box, f.scope, "exec sleep 1000");
  box->end().wait(f.scope);
  box = nullptr;
  box = f.start("again");
  CHECK(line(*box, f.scope, "cat /workspace/f") == "kept");
  CHECK(run(*box, f.scope, "ps -e | grep -c sleep").out == "0\n");
  CHECK_THROWS_WITH(f.start("again"), Catch::Contains("running already"));
  CHECK(line(*box, f.scope, "echo untouched") == "untouched");
  box->end().wait(f.scope);
}

TEST_CASE("freezing stops the box's CPU time, and thawing goes on where it was") {
  Fixture f;
  auto box = f.start("frozen");
  start(*box, f.scope, "while :; do :; done");
  auto inode = namespaceOf(*box, f.scope);
  auto cpu = [&]() {
    uint64_t total = 0;
    for (pid_t pid : processesOf(inode)) {
      auto text = readFile(kj::str("/proc/", pid, "/stat"));
      unsigned long user = 0, system = 0;
      const char* rest = strrchr(text.cStr(), ')');
      if (rest != nullptr &&
          sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2) {
        total += user + system;
      }
    }
    return total;
  };
  auto& timer = f.io.provider->getTimer();
  box->freeze().wait(f.scope);
  box->freeze().wait(f.scope);
  auto before = cpu();
  timer.afterDelay(300 * kj::MILLISECONDS).wait(f.scope);
  CHECK(cpu() == before);
  box->thaw().wait(f.scope);
  for (int i = 0; i < 100 && cpu() <= before; i++) timer.afterDelay(50 * kj::MILLISECONDS).wait(f.scope);
  CHECK(cpu() > before);
  CHECK(line(*box, f.scope, "echo back") == "back");
  box->freeze().wait(f.scope);
  box->end().wait(f.scope);
  CHECK(processesOf(inode).size() == 0);
}

TEST_CASE("a frozen fork storm stands still too") {
  Fixture f;
  auto box = f.start("frozenstorm");
  start(*box, f.scope, "for i in 1 2 3 4; do (while :; do sh -c :; done) & done; wait");
  auto inode = namespaceOf(*box, f.scope);
  for (int round = 0; round < 3; round++) {
    box->freeze().wait(f.scope);
    auto first = processesOf(inode).size();
    f.io.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).wait(f.scope);
    CHECK(processesOf(inode).size() == first);
    box->thaw().wait(f.scope);
    CHECK(line(*box, f.scope, "echo back") == "back");
  }
  box->end().wait(f.scope);
}

TEST_CASE("a box whose folder is deleted under it ends by itself") {
  Fixture f;
  auto box = f.start("orphan");
  KJ_SYSCALL(unlink(kj::str(f.folder.path, "/boxes/orphan/lock").cStr()));
  f.io.provider->getTimer().timeoutAfter(30 * kj::SECONDS, box->onEnd()).wait(f.scope);
}

TEST_CASE("a frozen box whose folder is deleted ends when the next server of any directory comes") {
  Fixture f;
  auto box = f.start("coldorphan");
  box->freeze().wait(f.scope);
  KJ_SYSCALL(unlink(kj::str(f.folder.path, "/boxes/coldorphan/lock").cStr()));
  TemporaryFolder elsewhere;
  auto next = newBoxes(f.io, elsewhere.path).wait(f.scope);
  f.io.provider->getTimer().timeoutAfter(30 * kj::SECONDS, box->onEnd()).wait(f.scope);
}

TEST_CASE("a port is reached at either loopback address, and a closed one says so") {
  Fixture f;
  auto box = f.start("ports");
  for (kj::StringPtr address : {"127.0.0.1"_kj, "::1"_kj}) {
    INFO(address.cStr());
    auto port = static_cast<uint16_t>(address == "::1" ? 8001 : 8002);
    CHECK_THROWS_WITH(box->connectPort(port).wait(f.scope), Catch::Contains("nothing listens on port"));
    auto pid = start(*box, f.scope, kj::str("exec python3 -m http.server --bind ", address, " ", port));
    kj::Own<kj::AsyncIoStream> stream;
    for (int i = 0; i < 1000 && stream.get() == nullptr; i++) {
      kj::runCatchingExceptions([&]() { stream = box->connectPort(port).wait(f.scope); });
      if (stream.get() == nullptr) f.io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(f.scope);
    }
    REQUIRE(stream.get() != nullptr);
    constexpr auto REQUEST = "GET / HTTP/1.0\r\n\r\n"_kj;
    stream->write(REQUEST.begin(), REQUEST.size()).wait(f.scope);
    CHECK(stream->readAllText().wait(f.scope).startsWith("HTTP/1.0 200"));
    run(*box, f.scope, kj::str("kill -9 ", pid));
  }
  box->end().wait(f.scope);
}

TEST_CASE("a second server on the same directory is told so") {
  Fixture f;
  CHECK_THROWS_WITH(newBoxes(f.io, f.folder.path).wait(f.scope), Catch::Contains("another server"));
}

TEST_CASE("an id that is not one is refused before it becomes a path") {
  Fixture f;
  for (kj::StringPtr id : {""_kj, "../x"_kj, "a/b"_kj, "A"_kj, "a b"_kj, "-x"_kj,
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"_kj}) {
    CHECK_THROWS_WITH(f.start(id), Catch::Contains("box id"));
    CHECK_THROWS_WITH(f.boxes->remove(id).wait(f.scope), Catch::Contains("box id"));
  }
}
