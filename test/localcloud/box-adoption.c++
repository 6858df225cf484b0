// Boxes outlive their server: each test kills a real server process with SIGKILL and lets another adopt what it left.

#include <catch2/catch.hpp>

#include "box-processes.h"
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

}  // namespace

TEST_CASE("a box survives kill -9 of its server, with its processes, and the next server adopts it") {
  TemporaryFolder folder;
  inKilledServer(folder.path, [](kj::AsyncIoContext& io, Boxes& boxes) {
    auto box = boxes.start(spec("kept")).wait(io.waitScope);
    auto pid = start(*box, io.waitScope,
                     "while :; do date +%s%N > /tmp/beat.new; mv /tmp/beat.new /tmp/beat; sleep 0.01; done");
    run(*box, io.waitScope, kj::str("echo ", pid, " > pid; while ! test -e /tmp/beat; do sleep 0.01; done"));
  });
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto adopted = boxes->adopt().wait(io.waitScope);
  REQUIRE(adopted.size() == 1);
  CHECK(adopted[0].id == "kept");
  CHECK(!adopted[0].frozen);
  REQUIRE(adopted[0].box != nullptr);
  auto box = kj::mv(KJ_ASSERT_NONNULL(adopted[0].box));
  CHECK(run(*box, io.waitScope, "kill -0 $(cat pid)").exitCode == 0);
  CHECK(run(*box, io.waitScope, "a=$(cat /tmp/beat); sleep 0.2; test \"$a\" != \"$(cat /tmp/beat)\"").exitCode == 0);
  CHECK_THROWS_WITH(boxes->start(spec("kept")).wait(io.waitScope), Catch::Contains("running already"));
  box->end().wait(io.waitScope);
  boxes->remove("kept").wait(io.waitScope);
}

TEST_CASE("a frozen box is adopted frozen, and thaws") {
  TemporaryFolder folder;
  inKilledServer(folder.path, [](kj::AsyncIoContext& io, Boxes& boxes) {
    auto box = boxes.start(spec("cold")).wait(io.waitScope);
    auto pid = start(*box, io.waitScope, "exec sleep 1000");
    run(*box, io.waitScope, kj::str("echo ", pid, " > pid"));
    box->freeze().wait(io.waitScope);
  });
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto adopted = boxes->adopt().wait(io.waitScope);
  REQUIRE(adopted.size() == 1);
  CHECK(adopted[0].frozen);
  auto box = kj::mv(KJ_ASSERT_NONNULL(adopted[0].box));
  box->thaw().wait(io.waitScope);
  CHECK(run(*box, io.waitScope, "kill -0 $(cat pid)").exitCode == 0);
  box->end().wait(io.waitScope);
}

TEST_CASE("a box whose processes are gone is reported with its files, and starts again on them") {
  TemporaryFolder folder;
  inKilledServer(folder.path, [](kj::AsyncIoContext& io, Boxes& boxes) {
    auto box = boxes.start(spec("dead")).wait(io.waitScope);
    run(*box, io.waitScope, "echo kept > f");
    box->end().wait(io.waitScope);
  });
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto adopted = boxes->adopt().wait(io.waitScope);
  REQUIRE(adopted.size() == 1);
  CHECK(adopted[0].id == "dead");
  CHECK(adopted[0].box == nullptr);
  auto box = boxes->start(spec("dead")).wait(io.waitScope);
  CHECK(line(*box, io.waitScope, "cat f") == "kept");
  box->end().wait(io.waitScope);
}

TEST_CASE("a half-made box is removed") {
  TemporaryFolder folder;
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto half = kj::str(folder.path, "/boxes/half");
  KJ_SYSCALL(mkdir(half.cStr(), 0700));
  CHECK(boxes->adopt().wait(io.waitScope).size() == 0);
  CHECK(access(half.cStr(), F_OK) < 0);
}

TEST_CASE("a start that is given up leaves no process and no folder") {
  TemporaryFolder folder;
  auto io = kj::setupAsyncIo();
  auto boxes = newBoxes(io, folder.path).wait(io.waitScope);
  auto place = kj::str(folder.path, "/boxes/never");
  for (int delay = 0; delay < 8; delay++) {
    {
      auto starting = boxes->start(spec("never"));
      io.provider->getTimer().afterDelay(delay * kj::MILLISECONDS).wait(io.waitScope);
    }
    // Ended or never begun: the lock is free at once or a moment later.
    int lock = -1;
    for (int i = 0; i < 300 && access(place.cStr(), F_OK) == 0; i++) {
      io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(io.waitScope);
      auto adopted = kj::runCatchingExceptions([&]() { boxes->remove("never").wait(io.waitScope); });
      lock = i;
    }
    (void)lock;
    CHECK(access(place.cStr(), F_OK) < 0);
  }
}
