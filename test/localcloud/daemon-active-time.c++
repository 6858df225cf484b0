// Time as a box lives it, on a clock of the test's own.

#include "localcloud/daemon/active-time.h"

#include <catch2/catch.hpp>
#include <kj/async-io.h>

using namespace sandbridge::localcloud::daemon;

namespace {

struct Clock {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  ActiveTime time{timer};
  bool passed = false;
  kj::Promise<void> waiting = nullptr;

  void wait(kj::Duration delay) {
    waiting = time.pass(delay).then([this]() { passed = true; }).eagerlyEvaluate(nullptr);
  }
  // As the event loop sees it: what happened meanwhile it learns at once.
  void advance(kj::Duration by) {
    timer.advanceTo(timer.now() + by);
    io.waitScope.poll();
  }
};

}  // namespace

TEST_CASE("active time passes with the clock") {
  Clock c;
  c.wait(2500 * kj::MILLISECONDS);
  for (int i = 0; i < 24; i++) {
    c.advance(100 * kj::MILLISECONDS);
    CHECK(!c.passed);
  }
  c.advance(200 * kj::MILLISECONDS);
  CHECK(c.passed);
}

TEST_CASE("of the time that the box was frozen a second counts at most") {
  Clock c;
  c.wait(10 * kj::SECONDS);
  c.advance(500 * kj::MILLISECONDS);
  c.advance(8 * (60 * kj::MINUTES));
  c.advance(8 * (60 * kj::MINUTES));
  for (int i = 0; i < 7; i++) {
    c.advance(1 * kj::SECONDS);
    CHECK(!c.passed);
  }
  c.advance(1 * kj::SECONDS);
  CHECK(c.passed);
}

TEST_CASE("no time passes while the box's processes are stopped and the daemon is not") {
  Clock c;
  c.wait(3 * kj::SECONDS);
  c.advance(1 * kj::SECONDS);
  c.time.stop();
  c.time.stop();
  CHECK(c.time.suspensions() == 1);
  for (int i = 0; i < 100; i++) c.advance(1 * kj::SECONDS);
  CHECK(!c.passed);
  c.time.resume();
  c.time.resume();
  c.advance(0 * kj::SECONDS);
  CHECK(!c.passed);
  c.advance(1 * kj::SECONDS);
  CHECK(c.passed);
}
