// What a command leaves behind when it ends, is ended with it.

#include <catch2/catch.hpp>

#include <sys/resource.h>

#include "box-support.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

struct World {
  TemporaryFolder folder;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::WaitScope& scope = io.waitScope;
  kj::Own<Boxes> boxes = newBoxes(io, folder.path).wait(scope);
  kj::Own<Box> box;

  World() {
    BoxSpec spec;
    spec.id = kj::str("units");
    spec.network.internet = false;
    box = boxes->start(kj::mv(spec)).wait(scope);
  }
  ~World() noexcept(false) { box->end().wait(scope); }

  RunResult run(kj::StringPtr script) { return test::run(*box, scope, script); }
  kj::String start(kj::StringPtr script) { return test::start(*box, scope, script); }
  // How many processes with this command line there are in the box.
  kj::String count(kj::StringPtr pattern) {
    return kj::str(run(kj::str("pgrep -fc '^", pattern, "'")).out);
  }
  // What was killed takes a moment to be gone.
  bool comeTo(kj::StringPtr pattern, kj::StringPtr wanted) {
    for (int i = 0; i < 1000; i++) {
      if (count(pattern) == wanted) return true;
      io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(scope);
    }
    return false;
  }
};

}  // namespace

TEST_CASE("what a run has started ends with it, however it has detached", "[units]") {
  World w;
  for (kj::StringPtr way : {
           "sleep 7001 &"_kj,
           "sleep 7001 >/dev/null 2>&1 </dev/null &"_kj,
           "nohup sleep 7001 >/dev/null 2>&1 &"_kj,
           "setsid -f sleep 7001 >/dev/null 2>&1"_kj,
           "(setsid -f setsid -f sleep 7001 &) >/dev/null 2>&1; sleep 0.1"_kj,
           "setsid -f env -i sleep 7001 >/dev/null 2>&1"_kj,
           "perl -MPOSIX -e 'fork and exit; setsid; fork and exit; chdir \"/\"; close $_ for 0..2; exec \"sleep\", \"7001\"'; sleep 0.1"_kj,
       }) {
    INFO(way.cStr());
    auto result = w.run(kj::str(way, "\necho out"));
    CHECK(result.out == "out\n");
    CHECK(result.exitCode == 0);
    CHECK(w.comeTo("sleep 7001", "0\n"));
  }
}

TEST_CASE("output that a run's descendant holds open does not keep the run from ending", "[units]") {
  World w;
  auto result = w.run("echo first; setsid -f sleep 7001; exit 3");
  CHECK(result.out == "first\n");
  CHECK(result.exitCode == 3);
}

TEST_CASE("what a process has started lives as long as the process, and no longer", "[units]") {
  World w;
  auto pid = w.start("setsid -f sleep 7002; (sleep 7002 &); exec sleep 7003");
  REQUIRE(w.comeTo("sleep 7002", "2\n"));
  // Whatever else ends meanwhile.
  for (int i = 0; i < 5; i++) w.run("sleep 7001 & true");
  CHECK(w.count("sleep 7002") == "2\n");
  CHECK(w.count("sleep 7003") == "1\n");
  CHECK(w.run(kj::str("kill -9 ", pid)).exitCode == 0);
  CHECK(w.comeTo("sleep 700[23]", "0\n"));
}

TEST_CASE("a process that daemonizes itself ends, since its leader does", "[units]") {
  World w;
  w.start("setsid -f sleep 7004 >/dev/null 2>&1");
  CHECK(w.comeTo("sleep 7004", "0\n"));
}

TEST_CASE("a terminal's shell leaves behind what it started in the background", "[units]") {
  World w;
  auto answer = ask(w.box->connect().wait(w.scope), kj::HttpMethod::POST, kj::str("/api/v1/pty"),
                    kj::str("{\"command\":\"sh\",\"args\":[\"-c\",\"setsid -f sleep 7005; sleep 0.2\"],"
                            "\"rows\":24,\"cols\":80}"))
                    .wait(w.scope);
  REQUIRE(answer.status == 201);
  REQUIRE(w.comeTo("sleep 7005", "1\n"));
  w.run("sleep 0.5; sleep 7001 &");
  CHECK(w.count("sleep 7005") == "1\n");
}

TEST_CASE("a fork storm that a run leaves behind is ended", "[units]") {
  World w;
  w.run("for i in 1 2 3 4; do setsid -f sh -c 'storm() { while :; do (storm) & sleep 0.001; done; }; storm' "
        ">/dev/null 2>&1; done; sleep 0.3");
  auto answer = ask(w.box->connect().wait(w.scope), kj::HttpMethod::GET, kj::str("/api/v1/health")).wait(w.scope);
  CHECK(answer.status == 200);
  CHECK(w.comeTo("sh -c storm", "0\n"));
}

TEST_CASE("no command can take itself out of its unit", "[units]") {
  World w;
  // The mark is a limit that only a privilege of the machine's root could raise.
  auto result = w.run("prlimit --rttime=unlimited:unlimited true 2>&1 || echo refused");
  CHECK(result.out.endsWith("refused\n"));
  // One that lowers it belongs to no unit that lives.
  w.run("setsid -f prlimit --rttime=5:5 sleep 7006 >/dev/null 2>&1; sleep 0.1");
  CHECK(w.comeTo("sleep 7006", "0\n"));
}
