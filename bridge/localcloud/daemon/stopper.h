#pragma once
// Suspending a box without a cgroup: pid 1 stops every other process by signal, and proves it.

#include <kj/string.h>
#include <kj/timer.h>

#include <sys/types.h>

#include <set>

namespace sandbridge::localcloud::daemon {

class Stopper {
 public:
  explicit Stopper(kj::Timer& timer) : timer(timer) {}

  // Resolves to nothing when all stand still, or to why not; then all run again.
  kj::Promise<kj::Maybe<kj::String>> stop();

  // What its user had stopped before stays stopped.
  void resume();

 private:
  kj::Timer& timer;
  std::set<pid_t> stoppedBefore;
  bool isStopped = false;
};

}  // namespace sandbridge::localcloud::daemon
