// What the kernel kills for lack of memory is told from what somebody kills.

#include <catch2/catch.hpp>

#include "box-support.h"

using namespace sandbridge;
using namespace sandbridge::localcloud;
using namespace sandbridge::localcloud::test;

namespace {

constexpr kj::StringPtr EATER = "exec python3 -c 'bytearray(400 << 20)'"_kj;

struct World {
  TemporaryFolder folder;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::WaitScope& scope = io.waitScope;
  kj::Own<Boxes> boxes = newBoxes(io, folder.path).wait(scope);
  kj::Own<Box> box;

  World() {
    BoxSpec spec;
    spec.id = kj::str("hungry");
    spec.network.internet = false;
    spec.memoryMb = 64;
    box = boxes->start(kj::mv(spec)).wait(scope);
  }
  ~World() noexcept(false) { box->end().wait(scope); }

  kj::String post(kj::StringPtr path, kj::String body) {
    return ask(box->connect().wait(scope), kj::HttpMethod::POST, kj::str("/api/v1", path), kj::mv(body))
        .wait(scope)
        .body;
  }
  kj::String ended(kj::StringPtr pid) {
    for (int i = 0; i < 2000; i++) {
      auto answer = ask(box->connect().wait(scope), kj::HttpMethod::GET, kj::str("/api/v1/processes/", pid)).wait(scope);
      if (strstr(answer.body.cStr(), "\"status\":\"running\"") == nullptr) return kj::mv(answer.body);
      io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(scope);
    }
    KJ_FAIL_REQUIRE("still running");
  }
};

bool contains(kj::StringPtr text, kj::StringPtr part) { return strstr(text.cStr(), part.cStr()) != nullptr; }

}  // namespace

TEST_CASE("a run that takes more memory than the sandbox has is killed, and says why", "[memory]") {
  if (geteuid() != 0) return;  // a plain user's box has no group that limits it
  World w;
  auto events = w.post("/processes/run", shellRequest(EATER));
  CHECK(events.endsWith("data: {\"signal\":9,\"oom_killed\":true}\n\n"));
  // The daemon lives, and whatever else is killed, was not killed for it.
  CHECK(w.post("/processes/run", shellRequest("kill -9 $$")).endsWith("data: {\"signal\":9}\n\n"));
  CHECK(w.post("/processes/run", shellRequest("sleep 1000", ",\"timeout\":0.2")).endsWith("data: {\"signal\":9}\n\n"));
}

TEST_CASE("what a command survives is not told of it, nor of those that end later", "[memory]") {
  if (geteuid() != 0) return;
  World w;
  auto events = w.post("/processes/run", shellRequest("(exec python3 -c 'bytearray(400 << 20)'); echo code $?; exit 5"));
  CHECK(contains(events, "\"code 137\""));
  CHECK(events.endsWith("data: {\"exit_code\":5}\n\n"));
  CHECK(w.post("/processes/run", shellRequest("kill -9 $$")).endsWith("data: {\"signal\":9}\n\n"));
}

TEST_CASE("a process that is killed for memory has that status, and a managed one is started again", "[memory]") {
  if (geteuid() != 0) return;
  World w;
  auto pid = start(*w.box, w.scope, EATER);
  auto info = w.ended(pid);
  CHECK(contains(info, "\"status\":\"oom_killed\",\"signal\":9,\"oom_killed\":true"));
  auto killed = start(*w.box, w.scope, "exec sleep 1000");
  run(*w.box, w.scope, kj::str("kill -9 ", killed));
  CHECK(contains(w.ended(killed), "\"status\":\"signaled\",\"signal\":9,"));

  w.post("/processes", shellRequest("if mkdir once; then exec python3 -c 'bytearray(400 << 20)'; fi; exec sleep 1000",
                                    ",\"name\":\"again\",\"restart\":{\"initial_backoff_ms\":5}"));
  for (int i = 0; i < 2000; i++) {
    auto answer = ask(w.box->connect().wait(w.scope), kj::HttpMethod::GET, kj::str("/api/v1/processes/again")).wait(w.scope);
    if (contains(answer.body, "\"restart_count\":1")) {
      CHECK(contains(answer.body, "\"last_exit\":{\"signal\":9,\"oom_killed\":true,"));
      return;
    }
    w.io.provider->getTimer().afterDelay(10 * kj::MILLISECONDS).wait(w.scope);
  }
  FAIL("it was not started again");
}
