#include "active-time.h"

#include "base/coroutine.h"

namespace sandbridge::localcloud::daemon {

namespace {

// What a step took beyond this was no time of the box.
constexpr kj::Duration STEP = 1 * kj::SECONDS;

}  // namespace

kj::Promise<void> ActiveTime::pass(kj::Duration delay) {
  while (delay > 0 * kj::SECONDS) {
    auto step = kj::min(delay, STEP);
    co_await timer.afterDelay(step);
    co_await whenRunning();
    delay -= step;
  }
}

void ActiveTime::stop() {
  if (resumed != nullptr) return;
  count++;
  auto pair = kj::newPromiseAndFulfiller<void>();
  fulfiller = kj::mv(pair.fulfiller);
  resumed = pair.promise.fork();
}

void ActiveTime::resume() {
  if (resumed == nullptr) return;
  fulfiller->fulfill();
  resumed = nullptr;
}

kj::Promise<void> ActiveTime::whenRunning() {
  KJ_IF_MAYBE (r, resumed) return r->addBranch();
  return kj::READY_NOW;
}

}  // namespace sandbridge::localcloud::daemon
