#include "rpc/call-window.h"

#include "base/coroutine.h"

namespace sandbridge {

kj::Promise<void> CallWindow::add(kj::Promise<void> call, size_t bytes) {
  inFlight += bytes;
  ++open;
  calls.add(call.then([this, bytes]() {
    inFlight -= bytes;
    --open;
    wake();
  }));
  while (error == nullptr && inFlight >= size) co_await changed();
  KJ_IF_MAYBE(e, error) { kj::throwFatalException(kj::cp(*e)); }
}

kj::Promise<void> CallWindow::drain() {
  while (error == nullptr && open > 0) co_await changed();
  KJ_IF_MAYBE(e, error) { kj::throwFatalException(kj::cp(*e)); }
}

kj::Promise<void> CallWindow::changed() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters.add(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

void CallWindow::wake() {
  auto woken = kj::mv(waiters);
  for (auto& waiter : woken) waiter->fulfill();
}

void CallWindow::taskFailed(kj::Exception&& e) {
  if (error == nullptr) error = kj::mv(e);
  wake();
}

}  // namespace sandbridge
