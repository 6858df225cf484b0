// Snapshots of real boxes: what they hold, what they cost, and what stands on them.

#include <catch2/catch.hpp>

#include "box-processes.h"
#include "box-support.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

struct World {
  TemporaryFolder folder;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Own<Boxes> boxes = newBoxes(io, folder.path).wait(io.waitScope);
  kj::Vector<kj::Own<Box>> running;
  unsigned count = 0;

  Box& start(kj::StringPtr id, kj::StringPtr snapshot = "") {
    BoxSpec spec;
    spec.id = kj::str(id);
    spec.network.internet = false;
    spec.snapshot = kj::str(snapshot);
    return *running.add(boxes->start(kj::mv(spec)).wait(io.waitScope));
  }
  kj::String id() { return kj::str("000000000000000000", 100 + count++); }
  SnapshotFacts take(Box& box, kj::StringPtr snapshot) {
    return boxes->takeSnapshot(box.id(), kj::str(snapshot), box).wait(io.waitScope);
  }
  kj::String out(Box& box, kj::StringPtr script) {
    auto result = run(box, io.waitScope, script);
    REQUIRE(result.err == "");
    return kj::mv(result.out);
  }
  void remove(Box& box) {
    auto id = kj::str(box.id());
    box.end().wait(io.waitScope);
    boxes->remove(id).wait(io.waitScope);
  }
  bool exists(kj::StringPtr path) { return access(kj::str(folder.path, '/', path).cStr(), F_OK) == 0; }
  ~World() noexcept(false) {
    for (auto& box : running) box->end().wait(io.waitScope);
  }
};

// Everything about the files below some folders of a box that a copy could lose.
constexpr kj::StringPtr CENSUS =
    "cd /; (find workspace opt etc/alternatives home var/tmp -printf '%p %y %m %U %G %s %n %TY-%Tm-%Td %TT %l\\n' | sort;"
    "find workspace -type f -print0 | sort -z | xargs -0 md5sum;"
    "find workspace -samefile workspace/one | sort) | LC_ALL=C tr '\\377' '!'"_kj;

}  // namespace

TEST_CASE("a box that starts on a snapshot has the files of the box that it was taken of") {
  World world;
  auto& box = world.start("source");
  world.out(box,
            "echo text > file; mkdir -p a/b/c; echo deep > a/b/c/d; echo one > one; ln one two; ln one a/three;"
            "ln -s a/b link; ln -s /nowhere dangling; mkfifo pipe; truncate -s 64M sparse; echo end >> sparse;"
            "printf '#!/bin/sh\\necho ran\\n' > run.sh; chmod 4711 run.sh; echo secret > closed; chmod 000 closed;"
            "mkdir shut; echo in > shut/in; chmod 000 shut; touch -d '2001-02-03 04:05:06.789' old;"
            "touch 'strange\nname' \"$(printf '\\377')\"; mkdir empty; chmod 1777 empty;"
            "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\" 2>/dev/null || true;"
            "rm -rf /etc/alternatives/a* /usr/share/doc; mkdir /usr/share/doc; echo new > /usr/share/doc/mine;"
            "if chown 33:44 file; then chown -h 33:44 link; fi 2>/dev/null; chmod 750 /opt; echo me > /etc/motd; true");
  auto before = world.out(box, CENSUS);
  REQUIRE(strstr(before.cStr(), "workspace/sparse") != nullptr);
  auto snapshot = world.id();
  auto facts = world.take(box, snapshot);
  CHECK(facts.bytes > (64u << 20));
  CHECK(facts.files > 10);

  auto& fork = world.start("fork", snapshot);
  CHECK(world.out(fork, CENSUS) == before);
  CHECK(world.out(fork, "./run.sh; tail -c 4 sparse; test $(du -k sparse | cut -f1) -lt 1000 && echo holes") ==
        "ran\nend\nholes\n");
  CHECK(world.out(fork, "ls /usr/share/doc; cat /etc/motd; stat -c %a /opt") == "mine\nme\n750\n");
  CHECK(world.out(fork, "cat /etc/hostname; hostname; grep -c fork /etc/hosts; grep -c source /etc/hosts || true") ==
        "fork\nfork\n1\n0\n");

  // Two worlds from here on, and the snapshot a third.
  world.out(fork, "echo changed > file; rm -r a");
  world.out(box, "echo other > file");
  CHECK(world.out(fork, "cat file; test -e a || echo gone") == "changed\ngone\n");
  CHECK(world.out(box, "cat file a/b/c/d") == "other\ndeep\n");
  auto& second = world.start("second", snapshot);
  CHECK(world.out(second, "cat file a/b/c/d") == "text\ndeep\n");
}

TEST_CASE("a snapshot of a fork holds what the fork changed, and stands on the snapshot below") {
  World world;
  auto& first = world.start("first");
  world.out(first, "seq 1 100 | xargs -I{} sh -c 'echo {} > f{}'; mkdir d; echo x > d/x");
  auto one = world.id(), two = world.id();
  world.take(first, one);
  auto& second = world.start("second", one);
  world.out(second, "echo new > f1; rm f2; rm -r d; mkdir d; echo y > d/y");
  auto facts = world.take(second, two);
  CHECK(facts.copied < 20);
  auto& third = world.start("third", two);
  CHECK(world.out(third, "cat f1; ls f2 2>/dev/null; cat f3; ls d; ls | wc -l") == "new\n3\ny\n100\n");

  // Whoever stands on a snapshot keeps it alive.
  world.remove(first);
  world.boxes->forgetSnapshot(one);
  world.boxes->forgetSnapshot(two);
  CHECK(world.exists(kj::str("snapshots/", one)));
  world.remove(second);
  CHECK(world.out(third, "cat f3") == "3\n");
  world.remove(third);
  CHECK(!world.exists(kj::str("snapshots/", one)));
  CHECK(!world.exists(kj::str("snapshots/", two)));
}

TEST_CASE("the next snapshot of a box copies only what changed") {
  World world;
  auto& box = world.start("source");
  world.out(box, "seq 1 500 | xargs -I{} sh -c 'echo {} > f{}'; ln f5 g5; sleep 0.1");
  auto one = world.id(), two = world.id(), three = world.id();
  auto first = world.take(box, one);
  CHECK(first.copied >= 500);
  world.out(box, "echo new > f1; touch f2; rm f3; mv f4 h4; echo more >> f5");
  auto next = world.take(box, two);
  CHECK(next.copied >= 3);
  CHECK(next.copied < 20);
  auto& fork = world.start("fork", two);
  CHECK(world.out(fork, "cat f1 f2 h4 f5 g5 f6; ls | wc -l") == "new\n2\n4\n5\nmore\n5\nmore\n6\n500\n");

  // The one before is not needed for it, and without it everything is copied.
  world.boxes->forgetSnapshot(one);
  world.boxes->forgetSnapshot(two);
  CHECK(!world.exists(kj::str("snapshots/", one)));
  CHECK(world.exists(kj::str("snapshots/", two)));  // the fork's
  CHECK(world.out(fork, "cat f6") == "6\n");
  world.remove(fork);
  CHECK(world.take(box, three).copied >= 500);
  auto& last = world.start("last", three);
  CHECK(world.out(last, "cat f1 f6") == "new\n6\n");
}

TEST_CASE("a box works on while it is copied, and its snapshot is of one moment") {
  World world;
  auto& box = world.start("source");
  // Two counters that always differ by one at most, the second never ahead, in a tree that takes a while to copy.
  world.out(box,
            "seq 1 3000 | xargs -I{} sh -c 'echo {} > f{}';"
            "cat > count.py <<'E'\n"
            "import os\n"
            "n = 0\n"
            "while True:\n"
            "  n += 1\n"
            "  for name in ('first', 'second'):\n"
            "    with open('next', 'w') as f: f.write(str(n))\n"
            "    os.rename('next', name)\n"
            "E");
  start(box, world.io.waitScope, "exec python3 count.py");
  world.out(box, "while ! test -e second; do sleep 0.01; done");
  for (int i = 0; i < 5; i++) {
    auto snapshot = world.id();
    world.take(box, snapshot);
    auto& fork = world.start(kj::str("fork", i), snapshot);
    auto result = world.out(fork, "echo $(($(cat first) - $(cat second)))");
    CHECK((result == "0\n" || result == "1\n"));
  }
  // It has gone on.
  CHECK(world.out(box, "a=$(cat first); sleep 0.2; test $(cat first) -gt $a && echo on") == "on\n");
}

TEST_CASE("a change through a mapping, which leaves no time stamp, is in the next snapshot") {
  World world;
  auto& box = world.start("source");
  world.out(box,
            "cat > map.py <<'E'\n"
            "import mmap, os, signal, sys\n"
            "f = open('mapped', 'r+b')\n"
            "m = mmap.mmap(f.fileno(), 4096)\n"
            "m[0:1] = b'1'\n"
            "open('ready', 'w').close()\n"
            "signal.sigwait({signal.SIGUSR1})\n"
            "m[0:1] = b'2'\n"
            "open('again', 'w').close()\n"
            "signal.pause()\n"
            "E\n"
            "head -c 4096 /dev/zero > mapped");
  auto pid = start(box, world.io.waitScope,
                   "exec python3 -c \"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1});"
                   "exec(open('map.py').read())\"");
  world.out(box, "while ! test -e ready; do sleep 0.01; done; sleep 0.1");
  auto one = world.id(), two = world.id();
  world.take(box, one);
  world.out(box, kj::str("kill -USR1 ", pid, "; while ! test -e again; do sleep 0.01; done"));
  world.take(box, two);
  CHECK(world.out(world.start("a", one), "head -c 1 mapped; echo") == "1\n");
  CHECK(world.out(world.start("b", two), "head -c 1 mapped; echo") == "2\n");
}

TEST_CASE("frozen and ended boxes can be copied") {
  World world;
  auto& box = world.start("source");
  world.out(box, "echo kept > file");
  box.freeze().wait(world.io.waitScope);
  auto one = world.id(), two = world.id();
  world.boxes->takeSnapshot("source", kj::str(one), nullptr).wait(world.io.waitScope);
  CHECK(world.out(world.start("a", one), "cat file") == "kept\n");
  box.end().wait(world.io.waitScope);
  world.boxes->takeSnapshot("source", kj::str(two), nullptr).wait(world.io.waitScope);
  CHECK(world.out(world.start("b", two), "cat file") == "kept\n");
}

TEST_CASE("a snapshot that fails leaves nothing, and the box runs on") {
  World world;
  auto& box = world.start("source");
  auto snapshot = world.id();
  // Deeper than the copy goes.
  world.out(box, "python3 -c \"import os\nfor i in range(1100): os.mkdir('d'); os.chdir('d')\"; echo here > f");
  CHECK_THROWS_WITH(world.take(box, snapshot), Catch::Contains("too deeply"));
  CHECK(readdirCount(kj::str(world.folder.path, "/snapshots")) == 0);
  CHECK(world.out(box, "cat f") == "here\n");
  CHECK_THROWS(world.start("fork", snapshot));
}

TEST_CASE("a server that is killed in the middle of a snapshot leaves a running box and no half of one") {
  enum Stage { COPYING, PAUSED };
  for (Stage stage : {COPYING, PAUSED}) {
    TemporaryFolder folder;
    // Of the killed process, which must not let go of them before.
    kj::Own<Box> box;
    kj::Promise<SnapshotFacts> taking = nullptr;
    inKilledServer(folder.path, [&](kj::AsyncIoContext& io, Boxes& boxes) {
      BoxSpec spec;
      spec.id = kj::str("source");
      spec.network.internet = false;
      box = boxes.start(kj::mv(spec)).wait(io.waitScope);
      run(*box, io.waitScope,
          "seq 1 3000 | xargs -I{} sh -c 'echo {} > f{}'; echo kept > file");
      start(*box, io.waitScope,
            "while :; do date +%s%N > /tmp/beat.new; mv /tmp/beat.new /tmp/beat; sleep 0.01; done");
      run(*box, io.waitScope, "while ! test -e /tmp/beat; do sleep 0.01; done");
      taking = boxes.takeSnapshot("source", kj::str("000000000000000000001"), *box);
      auto reached = [&]() {
        if (stage == COPYING) {
          return readdirCount(kj::str(folder.path, "/snapshots/.making-000000000000000000001/files")) > 0;
        }
        char text[4096] = "";
        int fd = open(kj::str(folder.path, "/boxes/source/box.json").cStr(), O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        return n > 0 && strstr(text, "\"paused\"") != nullptr;
      };
      while (!reached()) {
        KJ_REQUIRE(!taking.poll(io.waitScope), "the snapshot was faster");
        usleep(100);
      }
    });
    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
    auto adopted = boxes->adopt().wait(io.waitScope);
    REQUIRE(adopted.size() == 1);
    CHECK(!adopted[0].frozen);
    REQUIRE(adopted[0].box != nullptr);
    auto& kept = *KJ_ASSERT_NONNULL(adopted[0].box);
    CHECK(boxes->keepSnapshots(kj::arr(kj::str("000000000000000000001"))).size() == 0);
    for (auto name : {"snapshots/000000000000000000001", "snapshots/.making-000000000000000000001"}) {
      CHECK(access(kj::str(folder.path, '/', name).cStr(), F_OK) < 0);
    }
    CHECK(run(kept, io.waitScope, "a=$(cat /tmp/beat); sleep 0.3; test \"$a\" != \"$(cat /tmp/beat)\"").exitCode == 0);
    boxes->takeSnapshot("source", kj::str("000000000000000000001"), kept).wait(io.waitScope);
    BoxSpec spec;
    spec.id = kj::str("fork");
    spec.network.internet = false;
    spec.snapshot = kj::str("000000000000000000001");
    auto fork = boxes->start(kj::mv(spec)).wait(io.waitScope);
    CHECK(line(*fork, io.waitScope, "cat file; ls | wc -l") == "kept");
    fork->end().wait(io.waitScope);
    kept.end().wait(io.waitScope);
  }
}

TEST_CASE("what boxes stand on is known to the next server, and goes when they do") {
  TemporaryFolder folder;
  inKilledServer(folder.path, [&](kj::AsyncIoContext& io, Boxes& boxes) {
    BoxSpec spec;
    spec.id = kj::str("source");
    spec.network.internet = false;
    auto box = boxes.start(kj::mv(spec)).wait(io.waitScope);
    run(*box, io.waitScope, "echo kept > file");
    boxes.takeSnapshot("source", kj::str("000000000000000000001"), *box).wait(io.waitScope);
    BoxSpec second;
    second.id = kj::str("fork");
    second.network.internet = false;
    second.snapshot = kj::str("000000000000000000001");
    auto fork = boxes.start(kj::mv(second)).wait(io.waitScope);
    fork->end().wait(io.waitScope);
    box->end().wait(io.waitScope);
  });
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  CHECK(boxes->adopt().wait(io.waitScope).size() == 2);
  auto place = kj::str(folder.path, "/snapshots/000000000000000000001");
  CHECK(boxes->keepSnapshots(nullptr).size() == 0);
  CHECK(access(place.cStr(), F_OK) == 0);
  boxes->remove("source").wait(io.waitScope);
  BoxSpec again;
  again.id = kj::str("fork");
  again.network.internet = false;
  auto fork = boxes->start(kj::mv(again)).wait(io.waitScope);
  CHECK(line(*fork, io.waitScope, "cat file") == "kept");
  fork->end().wait(io.waitScope);
  boxes->remove("fork").wait(io.waitScope);
  CHECK(access(place.cStr(), F_OK) < 0);
}

TEST_CASE("a plain user's snapshots hold what he may not read himself, and start boxes as root's do") {
  TemporaryFolder folder;
  auto dir = kj::str(folder.path, "/boxes");
  KJ_SYSCALL(chmod(folder.path.cStr(), 0777));
  auto report = asPlainUser([&]() -> kj::String {
    auto io = kj::setupAsyncIo();
    auto boxes = newBoxes(io, dir).wait(io.waitScope);
    kj::Vector<kj::String> problems;
    auto start = [&](kj::StringPtr id, kj::StringPtr snapshot) {
      BoxSpec spec;
      spec.id = kj::str(id);
      spec.network.internet = false;
      spec.snapshot = kj::str(snapshot);
      return boxes->start(kj::mv(spec)).wait(io.waitScope);
    };
    auto one = "000000000000000000001"_kj, two = "000000000000000000002"_kj;
    auto source = start("source", "");
    auto out = [&](Box& box, kj::StringPtr script) { return run(box, io.waitScope, script).out; };
    auto expect = [&](Box& box, kj::StringPtr script, kj::StringPtr wanted) {
      auto got = out(box, script);
      if (got != wanted) problems.add(kj::str(box.id(), ": ", script, " -> ", got));
    };
    out(*source,
        "echo closed > closed; chmod 000 closed; mkdir shut; echo in > shut/in; chmod 000 shut; mkfifo pipe;"
        "mkdir -p d/e; echo x > d/e/f; ln closed other; sleep 0.1");
    auto first = boxes->takeSnapshot("source", kj::str(one), *source).wait(io.waitScope);
    auto fork = start("fork", one);
    expect(*fork, "cat closed shut/in d/e/f; stat -c '%a %h' closed shut; test -p pipe && echo pipe",
           "closed\nin\nx\n0 2\n0 2\npipe\n");
    out(*fork, "rm -r d closed; mkdir d; echo y > d/g");
    boxes->takeSnapshot("fork", kj::str(two), *fork).wait(io.waitScope);
    auto next = start("next", two);
    expect(*next, "ls d; cat other; test -e closed || echo gone", "g\nclosed\ngone\n");
    auto again = boxes->takeSnapshot("source", kj::str("000000000000000000003"), *source).wait(io.waitScope);
    if (again.copied > first.copied / 2) problems.add(kj::str(again.copied, " files copied again"));
    source->end().wait(io.waitScope);
    fork->end().wait(io.waitScope);
    next->end().wait(io.waitScope);
    return kj::strArray(problems, "\n");
  });
  CHECK(report == "");
}
