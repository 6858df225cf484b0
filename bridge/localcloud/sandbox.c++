#include "localcloud/sandbox.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "localcloud/entrypoint.h"
#include "localcloud/registry.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

// Far above what any step takes (milliseconds), and short enough that a person still waits for the message.
constexpr kj::Duration STEP_DEADLINE = 30 * kj::SECONDS;
// A request that finds its sandbox starting or waking waits this long at most.
constexpr kj::Duration READY_DEADLINE = 60 * kj::SECONDS;
// The plan maximum that `timeout_secs: 0` asks for; the service's on-demand plan has the same.
constexpr kj::Duration LONGEST_TIMEOUT = 86400 * kj::SECONDS;

constexpr unsigned MAX_END_ATTEMPTS = 6;
constexpr kj::Duration FIRST_RETRY = 200 * kj::MILLISECONDS;

// The exception instead of a rejection, because `co_await` cannot stand in a catch block.
kj::Promise<kj::Maybe<kj::Exception>> outcomeOf(kj::Promise<void> promise) {
  return promise.then([]() -> kj::Maybe<kj::Exception> { return nullptr; },
                      [](kj::Exception&& e) -> kj::Maybe<kj::Exception> { return kj::mv(e); });
}

BoxSpec specOf(const SandboxRecord& record) {
  BoxSpec spec;
  spec.id = kj::heapString(record.id);
  spec.cpus = record.cpus;
  spec.memoryMb = record.memoryMb;
  spec.diskMb = record.diskMb;
  spec.network = record.network.clone();
  spec.snapshot = kj::heapString(record.snapshotId);
  return spec;
}

}  // namespace

Sandbox::Sandbox(Registry& registry, SandboxRecord record)
    : registry(registry), info(kj::mv(record)), lastTraffic(registry.timer.now()),
      networkChange(kj::Promise<void>(kj::READY_NOW).fork()) {
  if (info.status != Status::TERMINATED) {
    idle = watchIdle().eagerlyEvaluate([](kj::Exception&& e) {
      logError("the idle watch of a sandbox failed: ", textOf(e));
    });
  }
}

kj::Promise<void> Sandbox::settled() {
  KJ_IF_MAYBE(t, transition) return t->addBranch();
  return kj::READY_NOW;
}

void Sandbox::begin(kj::Promise<void> promise) {
  transition = promise
                   .catch_([this](kj::Exception&& e) {
                     logError("a change of the state of sandbox ", info.id, " failed: ", textOf(e));
                   })
                   .fork();
}

void Sandbox::hold(kj::Own<Box> newBox) {
  auto ended = newBox->onEnd();
  box = kj::mv(newBox);
  auto told = [this]() {
    // Not here: handling it drops the promise that we are inside of.
    registry.tasks.add(kj::evalLater([self = kj::addRef(*this)]() mutable {
      auto& sandbox = *self;
      return sandbox.handleLost(kj::mv(self));
    }));
  };
  watch = ended
              .then(kj::cp(told),
                    [this, told](kj::Exception&& e) mutable {
                      logError("cannot tell whether sandbox ", info.id, " still runs; it counts as lost: ",
                               textOf(e));
                      told();
                    })
              .eagerlyEvaluate(nullptr);
}

void Sandbox::note(LogLevel level, kj::StringPtr text) { registry.logs.note(info.id, level, text); }

void Sandbox::saveOrWarn(Sync sync) {
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { registry.store.save(info, sync); })) {
    logWarning("the state of sandbox ", info.id, " could not be saved: ", textOf(*e));
  }
}

void Sandbox::cutTraffic(kj::StringPtr why) {
  streams.cancel(why);
  ingress.cancel(why);
}

kj::Duration Sandbox::timeout() const {
  return info.timeoutSecs == 0 ? LONGEST_TIMEOUT : info.timeoutSecs * kj::SECONDS;
}

void Sandbox::touch() {
  lastTraffic = registry.timer.now();
}

Sandbox::Answer Sandbox::suspend() {
  if (!info.isNamed()) return Answer::REFUSED;
  switch (info.status) {
    case Status::SUSPENDED:
      return Answer::ALREADY;
    case Status::SUSPENDING:
      return Answer::STARTED;
    case Status::RUNNING:
      info.status = Status::SUSPENDING;
      begin(doSuspend());
      return Answer::STARTED;
    case Status::PENDING:
    case Status::SNAPSHOTTING:
    case Status::TERMINATED:
      return Answer::REFUSED;
  }
  KJ_UNREACHABLE;
}

Sandbox::Answer Sandbox::resume() {
  switch (info.status) {
    case Status::RUNNING:
      return Answer::ALREADY;
    case Status::PENDING:
      return Answer::STARTED;
    case Status::SUSPENDED:
      info.status = Status::PENDING;
      begin(box == nullptr ? doStart(false) : doThaw());
      return Answer::STARTED;
    case Status::SNAPSHOTTING:
    case Status::SUSPENDING:
    case Status::TERMINATED:
      return Answer::REFUSED;
  }
  KJ_UNREACHABLE;
}

kj::Promise<void> Sandbox::doStart(bool first) {
  kj::Maybe<kj::Exception> failure;
  auto started = registry.timer.timeoutAfter(
      STEP_DEADLINE, kj::evalNow([&]() {
        auto spec = specOf(info);
        spec.log = registry.logs.filesOf(info.id);
        return registry.boxes.start(kj::mv(spec));
      }));
  auto newBox = co_await started.then(
      [](kj::Own<Box> b) -> kj::Maybe<kj::Own<Box>> { return kj::mv(b); },
      [&failure](kj::Exception&& e) -> kj::Maybe<kj::Own<Box>> {
        failure = kj::mv(e);
        return nullptr;
      });

  KJ_IF_MAYBE(b, newBox) {
    if (info.entrypoint.size() > 0) {
      failure = co_await outcomeOf(
          registry.timer.timeoutAfter(STEP_DEADLINE, startEntrypoint(**b, info.entrypoint)));
    }
    hold(kj::mv(*b));
  }
  if (info.status == Status::TERMINATED) co_return;  // deleted meanwhile

  info.errorDetails = nullptr;
  KJ_IF_MAYBE(e, failure) {
    logError("sandbox ", info.id, " could not be started: ", textOf(*e));
    note(LogLevel::ERROR, kj::str("the sandbox could not be started: ", textOf(*e)));
    info.errorDetails = textOf(*e);
    if (first) {
      terminate("StartupFailed");
      co_return;
    }
  }
  // Started again on its files, a sandbox is worth having even if its entrypoint fails.
  info.status = box == nullptr ? Status::SUSPENDED : Status::RUNNING;
  if (box != nullptr) note(LogLevel::INFO, "the sandbox runs");
  touch();
  saveOrWarn(Sync::LATER);
}

kj::Promise<void> Sandbox::doThaw() {
  auto& frozen = *KJ_ASSERT_NONNULL(box);
  auto failure = co_await outcomeOf(
      registry.timer.timeoutAfter(STEP_DEADLINE, kj::evalNow([&]() { return frozen.thaw(); })));
  if (info.status == Status::TERMINATED) co_return;
  KJ_IF_MAYBE(e, failure) {
    logError("sandbox ", info.id, " could not be resumed: ", textOf(*e));
    note(LogLevel::ERROR, kj::str("the sandbox could not be resumed: ", textOf(*e)));
    info.status = Status::SUSPENDED;
    info.errorDetails = textOf(*e);
  } else {
    note(LogLevel::INFO, "the sandbox was resumed");
    info.status = Status::RUNNING;
    info.errorDetails = nullptr;
    touch();
  }
  saveOrWarn();
}

kj::Promise<void> Sandbox::doSuspend() {
  auto& running = *KJ_ASSERT_NONNULL(box);
  auto failure = co_await outcomeOf(
      registry.timer.timeoutAfter(STEP_DEADLINE, kj::evalNow([&]() { return running.freeze(); })));
  if (info.status == Status::TERMINATED) co_return;
  KJ_IF_MAYBE(e, failure) {
    logError("sandbox ", info.id, " could not be suspended and goes on running: ", textOf(*e));
    note(LogLevel::ERROR, kj::str("the sandbox could not be suspended: ", textOf(*e)));
    info.status = Status::RUNNING;
    info.errorDetails = textOf(*e);
    touch();
  } else {
    note(LogLevel::INFO, "the sandbox was suspended");
    info.status = Status::SUSPENDED;
    info.errorDetails = nullptr;
    // Nobody answers them any more; whoever waits must learn of it now.
    cutTraffic("the sandbox was suspended");
  }
  saveOrWarn();
}

kj::Promise<SnapshotFacts> Sandbox::snapshot(kj::String id) {
  KJ_REQUIRE(canBeCopied(), "a sandbox is copied while it runs or is suspended");
  auto paf = kj::newPromiseAndFulfiller<SnapshotFacts>();
  copiedRunning = info.status == Status::RUNNING;
  // Not saved: what a box says of itself is what counts for the next server.
  info.status = Status::SNAPSHOTTING;
  begin(doSnapshot(kj::mv(id), kj::mv(paf.fulfiller)));
  return kj::mv(paf.promise);
}

kj::Promise<void> Sandbox::doSnapshot(kj::String id, kj::Own<kj::PromiseFulfiller<SnapshotFacts>> fulfiller) {
  kj::Maybe<SnapshotFacts> facts;
  kj::Maybe<kj::Exception> failure;
  try {
    facts = co_await kj::evalNow([&]() {
      kj::Maybe<Box&> running;
      if (copiedRunning) running = *KJ_ASSERT_NONNULL(box);
      return registry.boxes.takeSnapshot(info.id, kj::mv(id), running);
    });
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  kj::Maybe<kj::Exception> stuck;
  if (facts == nullptr && copiedRunning) {
    // What could not be let go on then.
    stuck = co_await outcomeOf(kj::evalNow([&]() { return KJ_ASSERT_NONNULL(box)->thaw(); }));
  }
  if (info.status == Status::SNAPSHOTTING) {
    info.status = copiedRunning ? Status::RUNNING : Status::SUSPENDED;
    KJ_IF_MAYBE(e, stuck) {
      logError("sandbox ", info.id, " stands still after a snapshot that failed: ", textOf(*e));
      info.status = Status::SUSPENDED;
      info.errorDetails = textOf(*e);
    }
    saveOrWarn(Sync::LATER);
  }
  KJ_IF_MAYBE(e, failure) {
    fulfiller->reject(kj::mv(*e));
  } else {
    fulfiller->fulfill(kj::mv(KJ_ASSERT_NONNULL(facts)));
  }
}

void Sandbox::markTerminated(kj::StringPtr reason) {
  info.status = Status::TERMINATED;
  info.terminatedAt = currentMillis();
  info.terminationReason = kj::heapString(reason);
  saveOrWarn();
  note(LogLevel::INFO, kj::str("the sandbox was terminated: ", reason));
}

kj::Promise<void> Sandbox::terminate(kj::StringPtr reason) {
  if (termination == nullptr) {
    if (info.status == Status::TERMINATED) return kj::READY_NOW;  // by an earlier server
    markTerminated(reason);
    termination = doTerminate().fork();
  }
  return KJ_ASSERT_NONNULL(termination).addBranch();
}

kj::Promise<void> Sandbox::doTerminate() {
  // A start may call terminate(): its end must not be waited for from inside of itself.
  co_await kj::evalLater([]() {});
  co_await settled();
  cutTraffic("the sandbox was terminated");
  watch = nullptr;
  auto delay = FIRST_RETRY;
  for (unsigned attempt = 1;; attempt++) {
    auto failure =
        co_await outcomeOf(registry.timer.timeoutAfter(STEP_DEADLINE, endAndRemove()));
    KJ_IF_MAYBE(e, failure) {
      logError("sandbox ", info.id, " could not be ended and removed (attempt ", attempt, "): ", textOf(*e));
      // The next server tries again: the record says terminated, the files are there.
      if (attempt == MAX_END_ATTEMPTS) kj::throwFatalException(kj::mv(*e));
    } else {
      break;
    }
    co_await registry.timer.afterDelay(delay);
    delay *= 2;
  }
  cleanedUp = true;
  saveOrWarn();  // again: on a full disk the first time may have failed
  registry.gone(*this);
}

kj::Promise<void> Sandbox::endAndRemove() {
  KJ_IF_MAYBE(b, box) {
    co_await (*b)->end();
    box = nullptr;
  }
  co_await registry.boxes.remove(info.id);
}

kj::Promise<void> Sandbox::handleLost(kj::Own<Sandbox> self) {
  co_await settled();
  if (info.status == Status::TERMINATED || box == nullptr) co_return;
  logWarning("the processes of sandbox ", info.id, " ended by themselves");
  note(LogLevel::WARN, "the processes of the sandbox ended by themselves");
  cutTraffic("the processes of the sandbox ended");
  watch = nullptr;
  box = nullptr;
  if (info.isNamed()) {
    info.status = Status::SUSPENDED;
    info.errorDetails = kj::str("the processes of this sandbox ended; its files are kept");
    saveOrWarn();
  } else {
    co_await terminate("ProcessesLost");
  }
}

void Sandbox::claim() {
  KJ_REQUIRE(info.warm, "not a warm container");
  auto made = info.createdAt;
  info.warm = false;
  info.createdAt = currentMillis();
  KJ_ON_SCOPE_FAILURE({
    info.warm = true;
    info.createdAt = made;
  });
  registry.store.save(info, Sync::LATER);
  note(LogLevel::INFO, kj::str("the sandbox was claimed from pool ", info.poolId));
  touch();
}

kj::Promise<void> Sandbox::watchIdle() {
  for (;;) {
    auto due = lastTraffic + timeout();
    if (registry.timer.now() < due) {
      co_await registry.timer.atTime(due);
      continue;
    }
    if (info.status == Status::TERMINATED) co_return;
    if (info.status == Status::RUNNING && !info.warm) {
      if (!info.isNamed()) {
        terminate("Timeout");
        co_return;
      }
      suspend();
    }
    touch();
  }
}

kj::Maybe<Box&> Sandbox::runningBox() {
  if (!isRunning()) return nullptr;
  return box.map([](kj::Own<Box>& b) -> Box& { return *b; });
}

kj::Promise<kj::Maybe<Refusal>> Sandbox::ready(bool wakes) {
  bool tried = false;
  for (;;) {
    switch (info.status) {
      case Status::RUNNING:
        touch();
        co_return kj::Maybe<Refusal>(nullptr);
      case Status::SNAPSHOTTING:
        if (isRunning()) {
          touch();
          co_return kj::Maybe<Refusal>(nullptr);
        }
        KJ_FALLTHROUGH;
      case Status::PENDING: {
        auto late = registry.timer.afterDelay(READY_DEADLINE).then([]() { return false; });
        bool inTime = co_await settled().then([]() { return true; }).exclusiveJoin(kj::mv(late));
        if (!inTime) {
          co_return kj::Maybe<Refusal>(Refusal{503, "SANDBOX_NOT_READY"_kj,
              kj::str("sandbox ", info.id, " is still ", toWord(info.status), "; try again")});
        }
        break;
      }
      case Status::SUSPENDED:
        if (tried) {
          co_return kj::Maybe<Refusal>(Refusal{503, "SANDBOX_NOT_READY"_kj,
              kj::str("sandbox ", info.id, " could not be resumed: ", info.errorDetails)});
        }
        if (wakes) {
          tried = true;
          resume();
          break;
        }
        KJ_FALLTHROUGH;
      case Status::SUSPENDING:
      case Status::TERMINATED:
        // As TensorLake's public proxy says it; nothing has reached the sandbox.
        co_return kj::Maybe<Refusal>(Refusal{400, "SANDBOX_NOT_RUNNING"_kj,
            kj::str("sandbox ", info.id, " is not running (status: ", toWord(info.status), ")")});
    }
  }
}

}  // namespace sandbridge::localcloud
