#pragma once
// Time as the box lives it: it stands still while the box is suspended, so that nothing that waits comes due all at once when
// the box goes on.

#include <stdint.h>

#include <kj/async.h>
#include <kj/timer.h>

namespace sandbridge::localcloud::daemon {

class ActiveTime {
 public:
  explicit ActiveTime(kj::Timer& timer) : timer(timer) {}
  KJ_DISALLOW_COPY(ActiveTime);

  // Resolves when the box has run for so long; a suspension adds at most a second to what counts. Not for precise times.
  kj::Promise<void> pass(kj::Duration delay);

  // By whoever stops the other processes of the box while the daemon itself goes on. A frozen daemon needs no telling.
  void stop();
  void resume();

  // Grows with each suspension that the daemon was told of.
  uint64_t suspensions() const { return count; }
  kj::Promise<void> whenRunning();

  kj::Timer& timer;

 private:
  uint64_t count = 0;
  kj::Own<kj::PromiseFulfiller<void>> fulfiller;
  kj::Maybe<kj::ForkedPromise<void>> resumed;  // while stopped
};

}  // namespace sandbridge::localcloud::daemon
