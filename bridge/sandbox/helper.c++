#include "sandbox/helper.h"

#include "base/error.h"
#include "base/log.h"
#include "sandbox/access.h"
#include "sandbox/helper-requests.h"

namespace sandbridge {

namespace {

using tensorlake::ProcessEvent;

constexpr kj::Duration INSTALL_TIMEOUT = 60 * kj::SECONDS;
constexpr size_t MAX_REASON = 500;

}  // namespace

HelperState::HelperState(kj::StringPtr sandboxId, bool isNew)
    : sandboxId(kj::heapString(sandboxId)), state(isNew ? ABSENT : PRESUMED) {}

kj::Promise<bool> HelperState::ready(SandboxUse& use, kj::Timer& timer) {
  if (state != ABSENT) return usable();
  if (!installing) {
    installing = true;
    auto held = use.addRef();
    auto& ref = *held;
    installation = install(ref, timer).attach(kj::mv(held)).fork();
  }
  return KJ_ASSERT_NONNULL(installation).addBranch().then([this]() { return usable(); });
}

void HelperState::missing() {
  if (state == PRESUMED) state = ABSENT;
}

void HelperState::met(kj::StringPtr number) {
  if (keeperNumber != number) keeperNumber = kj::heapString(number);
}

kj::Maybe<kj::StringPtr> HelperState::keeper() const {
  if (keeperNumber.size() == 0) return nullptr;
  return kj::StringPtr(keeperNumber);
}

void HelperState::giveUp(kj::StringPtr reason) {
  if (state == UNUSABLE) return;
  state = UNUSABLE;
  logWarning("sandbox ", sandboxId, " cannot run the helper; its commands are slower, and cannot be ",
             "asked for again when their output is lost: ", reason);
}

kj::Promise<void> HelperState::install(SandboxUse& use, kj::Timer& timer) {
  KJ_DEFER(installing = false);
  auto deadline = timer.now() + INSTALL_TIMEOUT;
  kj::Maybe<kj::Exception> failure;
  bool good = false;
  kj::String said;
  try {
    auto events = co_await timer.timeoutAt(deadline, use.plane().run(helperInstallRequest()));
    for (;;) {
      auto next = co_await timer.timeoutAt(deadline, events->next());
      if (next == nullptr) break;
      auto& event = KJ_ASSERT_NONNULL(next);
      if (event.kind == ProcessEvent::STDOUT_LINE && event.line == "ok") good = true;
      if (event.kind == ProcessEvent::STDERR_LINE && said.size() < MAX_REASON) {
        said = kj::str(said, said.size() > 0 ? " " : "", event.line);
      }
    }
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE (e, failure) {
    // No shell, for instance. Anything else says nothing about the helper.
    if (!meansNoHelper(*e)) kj::throwFatalException(kj::mv(*e));
    giveUp(textOf(*e));
    co_return;
  }
  if (!good) {
    giveUp(said.size() > 0 ? said.asPtr() : "no reason was given"_kj);
    co_return;
  }
  state = PRESUMED;
  co_await startKeeper(use);
}

kj::Promise<void> HelperState::startKeeper(SandboxUse& use) {
  kj::Maybe<kj::Exception> failure;
  try {
    co_await use.plane().start(helperKeeperRequest());
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE (e, failure) {
    // Two keepers do no harm, and whether one was started shows soon.
    if (kindOf(*e) == ErrorKind::INTERRUPTED) co_return;
    if (!meansNoHelper(*e)) kj::throwFatalException(kj::mv(*e));
    missing();
  }
}

bool meansNoHelper(const kj::Exception& e) {
  auto answer = tensorlake::failureOf(e);
  if (!answer.delivered || answer.status < 400) return false;
  // The daemon has tried and failed; what proxies answer has other kinds or codes.
  switch (kindOf(e)) {
    case ErrorKind::FAILED:
      return answer.status == 500;
    case ErrorKind::INVALID_ARGUMENT:
      return answer.status == 400 && (answer.code.size() == 0 || answer.code == "INTERNAL_ERROR");
    case ErrorKind::NOT_FOUND:
      return answer.code == "NOT_FOUND";
    default:
      return false;
  }
}

}  // namespace sandbridge
