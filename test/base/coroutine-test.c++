#include "base/coroutine.h"

#include <catch2/catch.hpp>
#include <kj/async-io.h>
#include <kj/vector.h>

#include <stdexcept>

namespace sandbridge {
namespace {

using Log = kj::Vector<kj::StringPtr>;

struct Noisy {
  Log& log;
  kj::StringPtr name;
  Noisy(Log& log, kj::StringPtr name) : log(log), name(name) {}
  ~Noisy() { log.add(name); }
  KJ_DISALLOW_COPY(Noisy);
};

kj::Promise<int> leaf(kj::Timer& timer, int n) {
  co_await timer.afterDelay(n * kj::MICROSECONDS);
  if (n == 13) KJ_FAIL_REQUIRE("unlucky");
  co_return n;
}

kj::Exception rejection(kj::Promise<void> promise, kj::WaitScope& scope) {
  auto e = kj::runCatchingExceptions([&]() { promise.wait(scope); });
  REQUIRE(e != nullptr);
  return kj::mv(KJ_ASSERT_NONNULL(e));
}

TEST_CASE("a coroutine awaits in a loop and returns its value") {
  auto io = kj::setupAsyncIo();
  auto sum = [](kj::Timer& timer) -> kj::Promise<int> {
    int sum = 0;
    for (int i = 0; i < 5; i++) sum += co_await leaf(timer, i);
    co_return sum;
  };
  CHECK(sum(io.provider->getTimer()).wait(io.waitScope) == 10);
}

TEST_CASE("an exception passes through every coroutine that does not catch it") {
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  auto pass = [](kj::Timer& timer) -> kj::Promise<void> { co_await leaf(timer, 13); };
  auto caught = [](kj::Promise<void> inner) -> kj::Promise<kj::String> {
    try {
      co_await inner;
    } catch (kj::Exception& e) {
      co_return kj::str("caught ", e.getDescription());
    }
    co_return kj::str("nothing was thrown");
  };
  CHECK(rejection(pass(timer), io.waitScope).getDescription() == "unlucky");
  CHECK(caught(pass(timer)).wait(io.waitScope) == "caught unlucky");
}

TEST_CASE("what is thrown before the first await comes out of the promise, not out of the call") {
  auto io = kj::setupAsyncIo();
  auto f = [](bool fail) -> kj::Promise<void> {
    if (fail) KJ_FAIL_REQUIRE("at once");
    co_return;
  };
  auto promise = f(true);
  CHECK(rejection(kj::mv(promise), io.waitScope).getDescription() == "at once");
  f(false).wait(io.waitScope);
}

TEST_CASE("foreign exceptions become kj::Exceptions with their text") {
  auto io = kj::setupAsyncIo();
  auto standard = []() -> kj::Promise<void> {
    co_await kj::Promise<void>(kj::READY_NOW);
    throw std::runtime_error("standard trouble");
  };
  auto unknown = []() -> kj::Promise<void> {
    co_await kj::Promise<void>(kj::READY_NOW);
    throw 7;
  };
  CHECK(rejection(standard(), io.waitScope).getDescription() == "standard trouble");
  CHECK(rejection(unknown(), io.waitScope).getDescription() == "exception of type int");
}

TEST_CASE("dropping the promise cancels the await and destroys the locals, last made first") {
  auto io = kj::setupAsyncIo();
  Log log;
  auto waiting = [](Log& log, int at) -> kj::Promise<void> {
    Noisy first(log, "first");
    if (at > 0) co_await kj::Promise<void>(kj::READY_NOW);
    Noisy second(log, "second");
    if (at > 1) co_await kj::Promise<void>(kj::READY_NOW);
    co_await kj::Promise<void>(kj::NEVER_DONE).attach(kj::heap<Noisy>(log, "awaited"));
    Noisy never(log, "never made");
  };
  for (int at = 0; at < 3; at++) {
    INFO("cancelled at await " << at);
    log.clear();
    {
      auto promise = waiting(log, at);
      CHECK(!promise.poll(io.waitScope));
      CHECK(log.size() == 0);
    }
    REQUIRE(log.size() == 3);
    CHECK(log[0] == "awaited");
    CHECK(log[1] == "second");
    CHECK(log[2] == "first");
  }
}

TEST_CASE("dropping the promise between the event and its resumption runs nothing more") {
  auto io = kj::setupAsyncIo();
  Log log;
  auto paf = kj::newPromiseAndFulfiller<void>();
  auto f = [](Log& log, kj::Promise<void> gate) -> kj::Promise<void> {
    Noisy local(log, "local");
    co_await gate;
    log.add("resumed");
  };
  auto promise = f(log, kj::mv(paf.promise));
  paf.fulfiller->fulfill();
  promise = nullptr;
  io.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
  REQUIRE(log.size() == 1);
  CHECK(log[0] == "local");
}

TEST_CASE("a finished coroutine destroys its locals before its promise resolves") {
  auto io = kj::setupAsyncIo();
  Log log;
  auto f = [](Log& log) -> kj::Promise<void> {
    Noisy local(log, "local");
    co_await kj::Promise<void>(kj::READY_NOW);
  };
  f(log).then([&]() { log.add("resolved"); }).wait(io.waitScope);
  REQUIRE(log.size() == 2);
  CHECK(log[0] == "local");
}

TEST_CASE("what an awaited promise holds is freed before the body goes on") {
  auto io = kj::setupAsyncIo();
  Log log;
  auto f = [](Log& log) -> kj::Promise<void> {
    auto held = kj::evalLater([]() {}).attach(kj::heap<Noisy>(log, "attachment"));
    co_await held;
    log.add("resumed");
  };
  f(log).wait(io.waitScope);
  REQUIRE(log.size() == 2);
  CHECK(log[0] == "attachment");
}

TEST_CASE("results may be move-only, Maybe, and made in braces") {
  auto io = kj::setupAsyncIo();
  struct Pair {
    kj::String a;
    kj::Own<int> b;
  };
  auto pair = []() -> kj::Promise<Pair> { co_return {kj::str("a"), kj::heap<int>(4)}; };
  auto maybe = [](bool some) -> kj::Promise<kj::Maybe<kj::String>> {
    if (some) co_return kj::str("some");
    co_return nullptr;
  };
  auto own = [](kj::Promise<Pair> pair) -> kj::Promise<kj::Own<int>> {
    auto p = co_await kj::mv(pair);
    co_return kj::mv(p.b);
  };
  CHECK(*own(pair()).wait(io.waitScope) == 4);
  CHECK(KJ_ASSERT_NONNULL(maybe(true).wait(io.waitScope)) == "some");
  CHECK(maybe(false).wait(io.waitScope) == nullptr);
}

TEST_CASE("a long loop over ready promises does not grow the stack") {
  auto io = kj::setupAsyncIo();
  auto hot = [](int n) -> kj::Promise<int> {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += co_await kj::Promise<int>(1);
    co_return sum;
  };
  CHECK(hot(300000).wait(io.waitScope) == 300000);
}

kj::Promise<int> deep(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await deep(n - 1);
}

TEST_CASE("coroutines nest") {
  auto io = kj::setupAsyncIo();
  CHECK(deep(1000).wait(io.waitScope) == 1000);
  auto abandoned = deep(1000);
}

TEST_CASE("a coroutine's promise can be forked, joined and attached like any other") {
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  auto fork = leaf(timer, 5).fork();
  auto a = fork.addBranch(), b = fork.addBranch();
  CHECK(a.wait(io.waitScope) + b.wait(io.waitScope) == 10);
  auto forever = []() -> kj::Promise<int> {
    co_await kj::NEVER_DONE;
    co_return 1;
  };
  CHECK(leaf(timer, 1).exclusiveJoin(forever()).wait(io.waitScope) == 1);
}

TEST_CASE("an exception from a local's destructor at the end rejects, though a value was returned") {
  auto io = kj::setupAsyncIo();
  struct Bomb {
    ~Bomb() noexcept(false) { KJ_FAIL_REQUIRE("bomb"); }
  };
  auto f = []() -> kj::Promise<void> {
    co_await kj::Promise<void>(kj::READY_NOW);
    Bomb bomb;
    co_return;
  };
  CHECK(rejection(f(), io.waitScope).getDescription() == "bomb");
}

TEST_CASE("an exception from a local's destructor at cancellation still destroys the other locals") {
  auto io = kj::setupAsyncIo();
  Log log;
  struct Bomb {
    ~Bomb() noexcept(false) { KJ_FAIL_REQUIRE("bomb"); }
  };
  auto f = [](Log& log, kj::Own<Noisy> parameter) -> kj::Promise<void> {
    Noisy local(log, "local");
    Bomb bomb;
    co_await kj::NEVER_DONE;
  };
  auto promise = f(log, kj::heap<Noisy>(log, "parameter"));
  KJ_IF_MAYBE (e, kj::runCatchingExceptions([&]() { auto dropped = kj::mv(promise); })) {
    CHECK(e->getDescription() == "bomb");
  } else {
    FAIL("the exception was lost");
  }
  REQUIRE(log.size() == 2);
  CHECK(log[0] == "local");
  CHECK(log[1] == "parameter");
}

TEST_CASE("a member coroutine may be cancelled by its owner's destructor") {
  auto io = kj::setupAsyncIo();
  Log log;
  struct Owner {
    Log& log;
    kj::Promise<void> task = nullptr;
    explicit Owner(Log& log) : log(log) { task = run().eagerlyEvaluate(nullptr); }
    kj::Promise<void> run() {
      Noisy local(log, "local");
      for (;;) co_await kj::evalLater([]() {});
    }
  };
  {
    Owner owner(log);
    kj::evalLater([]() {}).wait(io.waitScope);
    kj::evalLater([]() {}).wait(io.waitScope);
    CHECK(log.size() == 0);
  }
  CHECK(log.size() == 1);
}

}  // namespace
}  // namespace sandbridge
