#include "supervisor.h"

#include <signal.h>

#include <kj/debug.h>

#include "base/coroutine.h"
#include "base/error.h"
#include "secrets.h"

namespace sandbridge::localcloud::daemon {

namespace {

// What is told to end has so long for it.
constexpr kj::Duration GRACE = 5 * kj::SECONDS;
// A check that took so much longer than its timeout was overtaken by a suspension, and says nothing.
constexpr kj::Duration OVERTAKEN = 1 * kj::SECONDS;

kj::Duration ms(uint64_t value) { return static_cast<int64_t>(value) * kj::MILLISECONDS; }

}  // namespace

Managed::Managed(kj::LowLevelAsyncIoProvider& io, ActiveTime& time, Processes& processes,
                 Command commandParam, kj::Maybe<kj::String> nameParam, ManagedRequest request)
    : id(nameParam == nullptr ? randomName() : kj::str(KJ_ASSERT_NONNULL(nameParam))),
      name(kj::mv(nameParam)),
      policy(kj::mv(request.restart)),
      check(kj::mv(request.check)),
      io(io),
      time(time),
      processes(processes),
      command(kj::mv(commandParam)) {
  start();
  live(supervise());
}

void Managed::start() {
  auto next = processes.start(command, name.map([](const kj::String& n) { return kj::str(n); }));
  // Of those before, one is remembered for whoever asks why it ended.
  KJ_IF_MAYBE (handle, previous) processes.forget(*handle);
  if (current.get() != nullptr) previous = current->handle;
  current = kj::mv(next);
  state = RUNNING;
  due = nullptr;
  failures = 0;
  healthState = check == nullptr ? DISABLED : STARTING;
}

void Managed::live(kj::Promise<void> promise) {
  life = promise.eagerlyEvaluate([](kj::Exception&& e) {
    KJ_LOG(ERROR, "a managed process is no longer looked after", e);
  });
}

kj::Promise<void> Managed::supervise() {
  for (;;) {
    bool running = current->status() == Process::RUNNING;
    if (running) {
      auto began = time.timer.now();
      bool unwell = co_await current->onExit().then([]() { return false; }).exclusiveJoin(
          watchHealth().then([]() { return true; }));
      if (unwell) {
        current->killGroup();
        co_await current->onExit();
      }
      exit = Exit(*current);
      if (time.timer.now() - began > ms(policy.maxBackoffMs)) inARow = 0;
      bool failed = unwell || current->status() == Process::SIGNALED || current->value() != 0;
      bool again = policy.when == RestartPolicy::ALWAYS ||
                   (policy.when == RestartPolicy::ON_FAILURE && failed);
      if (!again) break;
    }
    KJ_IF_MAYBE (max, policy.maxRestarts) {
      if (restarts >= *max) break;
    }
    auto delay = kj::min(policy.maxBackoffMs, policy.initialBackoffMs << kj::min(inARow, 20u));
    state = BACKING_OFF;
    due = nowMs() + static_cast<int64_t>(delay);
    co_await time.pass(ms(delay));
    restarts++;
    inARow++;
    try {
      start();
      error = nullptr;
    } catch (kj::Exception& e) {
      error = textOf(e);
    }
  }
  state = STOPPED;
  due = nullptr;
}

kj::Promise<void> Managed::watchHealth() {
  if (check == nullptr) co_await kj::NEVER_DONE;
  auto& c = KJ_ASSERT_NONNULL(check);
  co_await time.pass(ms(c.initialDelayMs));
  for (;;) {
    auto suspensions = time.suspensions();
    auto began = time.timer.now();
    auto problem = co_await askHealth(io, c);
    bool overtaken = time.suspensions() != suspensions ||
                     time.timer.now() - began > ms(c.timeoutMs) + OVERTAKEN;
    KJ_IF_MAYBE (p, problem) {
      if (!overtaken) {
        error = kj::str("health check: ", *p);
        if (++failures >= c.failureThreshold) {
          healthState = UNHEALTHY;
          if (policy.when != RestartPolicy::NEVER) co_return;
        }
      }
    } else {
      failures = 0;
      healthState = HEALTHY;
      error = nullptr;
    }
    co_await time.pass(ms(c.intervalMs));
  }
}

void Managed::stop() {
  life = nullptr;
  state = STOPPED;
  due = nullptr;
  current->killGroup();
  KJ_IF_MAYBE (r, restarted) {
    (*r)->reject(KJ_EXCEPTION(FAILED, "failed: the process was stopped meanwhile"));
    restarted = nullptr;
  }
}

kj::Promise<void> Managed::restart() {
  if (restarted != nullptr) throwError(ErrorKind::INVALID_ARGUMENT, "the process is being restarted");
  // Not in the hands of the caller, who may give up half way.
  auto paf = kj::newPromiseAndFulfiller<void>();
  restarted = kj::mv(paf.fulfiller);
  live(endAndStart());
  return kj::mv(paf.promise);
}

kj::Promise<void> Managed::endAndStart() {
  if (current->status() == Process::RUNNING) {
    ::kill(-current->pid, SIGTERM);
    co_await current->onExit().exclusiveJoin(time.pass(GRACE));
    current->killGroup();
    co_await current->onExit();
    exit = Exit(*current);
  }
  auto fulfiller = kj::mv(KJ_ASSERT_NONNULL(restarted));
  restarted = nullptr;
  kj::Maybe<kj::Exception> failure;
  try {
    start();
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE (e, failure) {
    state = STOPPED;
    error = textOf(*e);
    fulfiller->reject(kj::mv(*e));
    co_return;
  }
  restarts++;
  inARow = 0;
  error = nullptr;
  fulfiller->fulfill();
  co_await supervise();
}

kj::Own<Managed> Supervisor::start(Command command, kj::Maybe<kj::String> name, ManagedRequest request) {
  kj::Vector<kj::Own<Managed>> kept;
  for (auto& managed : all) {
    bool sameName = false;
    KJ_IF_MAYBE (n, name) {
      KJ_IF_MAYBE (other, managed->name) sameName = *n == *other;
    }
    bool stopped = managed->status() == Managed::STOPPED;
    if (sameName && !stopped) {
      throwError(ErrorKind::INVALID_ARGUMENT, kj::str("a process named '", KJ_ASSERT_NONNULL(name), "' is running"));
    }
  }
  for (auto& managed : all) {
    bool forgotten = managed->status() == Managed::STOPPED && !processes.knows(managed->process());
    if (!forgotten) kept.add(kj::mv(managed));
  }
  all = kj::mv(kept);
  if (all.size() >= MAX_MANAGED) {
    throwError(ErrorKind::INVALID_ARGUMENT, kj::str("there are ", MAX_MANAGED, " managed processes already"));
  }
  auto managed = kj::refcounted<Managed>(io, time, processes, kj::mv(command), kj::mv(name), kj::mv(request));
  all.add(kj::addRef(*managed));
  return managed;
}

kj::Maybe<kj::Own<Managed>> Supervisor::find(const Process& process) {
  for (auto& managed : all) {
    if (&managed->process() == &process) return kj::addRef(*managed);
  }
  return nullptr;
}

}  // namespace sandbridge::localcloud::daemon
