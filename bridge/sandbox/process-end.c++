#include "sandbox/process-end.h"

#include "base/error.h"
#include "base/log.h"
#include "sandbox/command-script.h"

namespace sandbridge {

namespace {

constexpr kj::Duration QUIET_TIMEOUT = 30 * kj::SECONDS;
// How often, and after which pauses, a command is ordered to end while the orders get lost.
constexpr unsigned END_ATTEMPTS = 6;
constexpr kj::Duration END_PAUSE = 200 * kj::MILLISECONDS;
// A finished stream that does not end is not worth more.
constexpr kj::Duration DRAIN_TIMEOUT = 2 * kj::SECONDS;

// The process group of a command, from its keeper; 0: it does not know the command.
kj::Promise<uint32_t> groupOf(SandboxUse& use, kj::Timer& timer, kj::StringPtr operation) {
  auto deadline = timer.now() + QUIET_TIMEOUT;
  auto request = helperJoinRequest(operation, {}, {});
  request.brief = true;
  auto events = co_await timer.timeoutAt(deadline, use.plane().run(kj::mv(request)));
  CommandOutput output(false);
  for (;;) {
    auto next = co_await timer.timeoutAt(deadline, events->next());
    KJ_IF_MAYBE (event, next) {
      output.take(*event);
      if (output.group() != 0) co_return output.group();
    } else {
      co_return 0;
    }
  }
}

}  // namespace

kj::Promise<void> runQuietly(kj::Own<SandboxUse> use, kj::Timer& timer,
                             tensorlake::ProcessRequest request) {
  auto deadline = timer.now() + QUIET_TIMEOUT;
  request.brief = true;
  auto events = co_await timer.timeoutAt(deadline, use->plane().run(kj::mv(request)));
  for (;;) {
    auto event = co_await timer.timeoutAt(deadline, events->next());
    if (event == nullptr) co_return;
  }
}

kj::Promise<void> runEither(kj::Own<SandboxUse> use, kj::Timer& timer, bool helped,
                            tensorlake::ProcessRequest byHelper,
                            tensorlake::ProcessRequest byShell) {
  if (helped) {
    try {
      co_await runQuietly(use->addRef(), timer, kj::mv(byHelper));
      co_return;
    } catch (kj::Exception& e) {
      if (!meansNoHelper(e)) throw;
    }
  }
  co_await runQuietly(kj::mv(use), timer, kj::mv(byShell));
}

kj::Promise<void> endGroup(kj::Own<SandboxUse> use, kj::Timer& timer, bool helped, uint32_t group) {
  for (unsigned attempt = 1;; ++attempt) {
    try {
      co_await runEither(use->addRef(), timer, helped, helperEndRequest(group), endRequest(group));
      co_return;
    } catch (kj::Exception& e) {
      auto kind = kindOf(e);
      bool again = kind == ErrorKind::INTERRUPTED || kind == ErrorKind::UNAVAILABLE;
      if (!again || attempt == END_ATTEMPTS) {
        logWarning("a command that nobody waits for could not be ended: ", textOf(e));
        co_return;
      }
    }
    co_await timer.afterDelay(attempt * END_PAUSE);
  }
}

kj::Promise<void> endUnseen(kj::Own<SandboxUse> use, kj::Timer& timer, uint32_t daemonPid,
                            kj::String operation) {
  kj::Maybe<kj::Exception> failure;
  // The helper's process only passes the command's output on: ending it ends no command.
  if (operation.size() > 0) {
    try {
      auto group = co_await groupOf(*use, timer, operation);
      if (group != 0) co_await endGroup(use->addRef(), timer, true, group);
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
  }
  try {
    co_await use->plane().kill(daemonPid);
  } catch (kj::Exception& e) {
    // Most likely it has ended.
    if (!tensorlake::failureOf(e).delivered) failure = kj::mv(e);
  }
  KJ_IF_MAYBE (e, failure) {
    logWarning("a command that cannot be followed could not be ended: ", textOf(*e));
  }
}

kj::Promise<void> drain(kj::Own<tensorlake::ProcessEvents> events, kj::Timer& timer) {
  auto deadline = timer.now() + DRAIN_TIMEOUT;
  try {
    for (;;) {
      auto event = co_await timer.timeoutAt(deadline, events->next());
      if (event == nullptr) co_return;
    }
  } catch (kj::Exception&) {
    // Only the connection is lost: everything worth knowing came before.
  }
}

}  // namespace sandbridge
