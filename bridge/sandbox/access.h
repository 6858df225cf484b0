#pragma once
// What the workspace of a session needs of the session: its running sandbox, leased, and a second
// chance.

#include "base/coroutine.h"
#include "sandbox/helper.h"
#include "sandbox/port-watch.h"
#include "tensorlake/client.h"

#include <kj/refcount.h>

namespace sandbridge {

// A lease on the running sandbox; destroying the session waits for leases. Keeps the session alive.
class SandboxUse {
 public:
  virtual ~SandboxUse() noexcept(false) {}

  virtual tensorlake::DataPlane& plane() = 0;
  virtual HelperState& helper() = 0;
  virtual kj::StringPtr sandboxId() = 0;
  virtual kj::Own<SandboxUse> addRef() = 0;
};

class SandboxAccess {
 public:
  virtual ~SandboxAccess() noexcept(false) {}

  // Creates, finds or resumes the sandbox if need be.
  virtual kj::Promise<kj::Own<SandboxUse>> acquire() = 0;

  // The running sandbox, if one is known, without a lease: neither makes nor resumes it, and a deletion does not wait.
  virtual kj::Maybe<kj::Own<SandboxUse>> peek() = 0;

  // Looks for ports while commands run.
  virtual PortWatch& ports() = 0;

  // After a failure with `use`: finds out how the sandbox is. True: the failed request was
  // certainly not carried out, and the sandbox can be had (again) by acquire(). Throws SANDBOX_LOST
  // when it has ended.
  virtual kj::Promise<bool> recover(kj::Own<SandboxUse> use, kj::Exception failure) = 0;

  // Lets a task run on that nobody waits for. The task has a deadline of its own and keeps alive
  // what it uses.
  virtual void background(kj::Promise<void> task) = 0;

  // Calls that end when the session is destroyed under them.
  virtual kj::Canceler& cuts() = 0;

  virtual kj::Timer& timer() = 0;
};

// How long requests that are certainly not carried out are made again while the sandbox is found to
// be there, and the pauses between: it may run without being reachable yet.
constexpr kj::Duration REACH_TIMEOUT = 30 * kj::SECONDS;
constexpr kj::Duration FIRST_REACH_PAUSE = 50 * kj::MILLISECONDS;
constexpr kj::Duration MAX_REACH_PAUSE = 1 * kj::SECONDS;

// Calls `action(use)`, and again while its request was certainly not carried out or is safe to
// repeat: once at any rate and at once, since finding or resuming the sandbox is what helps, then
// with pauses. An action of
// several requests must not let one of the later ones fail as if none had been carried out. Whatever
// `access` and `action` refer to must outlive the promise.
template <typename Action>
auto withSandbox(SandboxAccess& access, Action action)
    -> decltype(action(kj::instance<SandboxUse&>())) {
  auto pause = 0 * kj::SECONDS;
  kj::Maybe<kj::TimePoint> deadline;
  for (bool first = true;; first = false) {
    auto use = co_await access.acquire();
    if (first) deadline = access.timer().now() + REACH_TIMEOUT;
    kj::Maybe<kj::Exception> failure;
    try {
      co_return co_await action(*use);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    auto& e = KJ_ASSERT_NONNULL(failure);
    bool again = co_await access.recover(use->addRef(), kj::cp(e));
    bool late = access.timer().now() >= KJ_ASSERT_NONNULL(deadline);
    if (!again || (late && !first)) kj::throwFatalException(kj::mv(e));
    use = nullptr;
    if (pause > 0 * kj::SECONDS) co_await access.timer().afterDelay(pause);
    pause = kj::max(FIRST_REACH_PAUSE, kj::min(pause * 2, MAX_REACH_PAUSE));
  }
}

}  // namespace sandbridge
