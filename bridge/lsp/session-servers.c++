#include "lsp/session-servers.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "lsp/server.h"
#include "tools/paths.h"
#include "tools/text.h"

#include <kj/debug.h>

#include <deque>

namespace sandbridge::lsp {

namespace {

// Servers speak of a file several times, of its syntax first: as in OpenCode, they have said what they have to
// say when they are silent for this long.
constexpr kj::Duration SETTLE = 150 * kj::MILLISECONDS;
// While a server runs, its sandbox is not suspended for being idle.
constexpr kj::Duration IDLE = 5 * kj::MINUTES;
constexpr kj::Duration END_TIMEOUT = 2 * kj::SECONDS;
// A server that ends so often by itself, or answers too late so often in a row, is of no use to the session:
// each time has cost it DIAGNOSTICS_LIMIT.
constexpr unsigned MOST_DEATHS = 3;
constexpr unsigned MOST_LATE = 8;

// Wakes whoever waits for something to happen.
class Bell {
 public:
  kj::Promise<void> next() {
    KJ_IF_MAYBE (r, ringing) return r->addBranch();
    auto paf = kj::newPromiseAndFulfiller<void>();
    fulfiller = kj::mv(paf.fulfiller);
    return ringing.emplace(paf.promise.fork()).addBranch();
  }
  void ring() {
    if (ringing == nullptr) return;
    ringing = nullptr;
    fulfiller->fulfill();
  }

 private:
  kj::Own<kj::PromiseFulfiller<void>> fulfiller;
  kj::Maybe<kj::ForkedPromise<void>> ringing;
};

class SessionServers final : public LanguageServers {
 public:
  SessionServers(Workspace& workspace, kj::Timer& timer, kj::Duration limit, kj::Duration lookAgain)
      : workspace(workspace), timer(timer), limit(limit), lookAgain(lookAgain), root(view(workspace.root())) {
    for (auto& kind : serverKinds()) slots.emplace_back(kind);
  }

  bool mayKnow(std::string_view path) override {
    if (!isInside(root, path)) return false;
    KJ_IF_MAYBE (known, serverFor(path)) return mayStart(slotOf(known->kind));
    return false;
  }

  kj::Promise<std::vector<FileDiagnostics>> check(std::vector<ChangedFile> files) override {
    try {
      co_return co_await checkNow(std::move(files));
    } catch (kj::Exception& e) {
      logError("errors in changed files could not be asked for: ", textOf(e));
    }
    co_return std::vector<FileDiagnostics>();
  }

  void removed(const std::string& path) override {
    KJ_IF_MAYBE (known, serverFor(path)) {
      auto& slot = slotOf(known->kind);
      KJ_IF_MAYBE (server, slot.server) {
        if (slot.isRunning) (*server)->remove(path);
      }
    }
  }

  kj::Promise<void> end() override {
    auto late = timer.now() + END_TIMEOUT;
    auto ends = kj::heapArrayBuilder<kj::Promise<void>>(slots.size());
    for (auto& slot : slots) ends.add(end(slot, late));
    return kj::joinPromises(ends.finish());
  }

  kj::Maybe<kj::Exception> takeLoss() override {
    auto taken = kj::mv(loss);
    if (taken != nullptr) sandboxLost();
    return taken;
  }

  void sandboxLost() override {
    loss = nullptr;
    for (auto& slot : slots) {
      drop(slot);
      slot.isUseless = false;
      slot.missingUntil = nullptr;
      slot.deaths = slot.lateAnswers = 0;
    }
  }

 private:
  struct Slot {
    explicit Slot(const ServerKind& kind) : kind(kind) {}

    const ServerKind& kind;
    kj::Maybe<kj::Own<Server>> server;
    kj::Promise<void> run = nullptr;  // refers to the server
    bool isRunning = false;
    bool isEnding = false;  // as it was asked to
    uint64_t life = 0;
    bool isUseless = false;  // it has been given up
    kj::Maybe<kj::TimePoint> missingUntil;  // the sandbox has none; until then that is taken for sure
    unsigned deaths = 0, lateAnswers = 0;
    kj::Promise<void> idle = nullptr;
  };

  // A file that a server was told of.
  struct Told {
    Slot& slot;
    uint64_t life;
    std::string path;
  };

  Workspace& workspace;
  kj::Timer& timer;
  kj::Duration limit, lookAgain;
  std::string root;
  Bell bell;
  kj::Maybe<kj::Exception> loss;
  std::deque<Slot> slots;

  Slot& slotOf(const ServerKind& kind) { return slots[&kind - serverKinds().begin()]; }

  bool mayStart(const Slot& slot) const {
    KJ_IF_MAYBE (until, slot.missingUntil) return timer.now() >= *until;
    return !slot.isUseless;
  }

  Server& start(Slot& slot) {
    if (!slot.isRunning) {
      drop(slot);
      auto& server = *slot.server.emplace(
          kj::heap<Server>(workspace, timer, slot.kind, [this]() { bell.ring(); }));
      slot.isRunning = true;
      slot.missingUntil = nullptr;
      ++slot.life;
      slot.run = server.run().then([this, &slot](ExitStatus status) { ended(slot, status); },
                                   [this, &slot](kj::Exception&& e) { failed(slot, kj::mv(e)); })
                     .eagerlyEvaluate(nullptr);
    }
    return *KJ_ASSERT_NONNULL(slot.server);
  }

  // Kills the server, if it runs.
  void drop(Slot& slot) {
    slot.run = nullptr;
    slot.server = nullptr;
    slot.isEnding = false;
    stopped(slot);
  }

  void ended(Slot& slot, ExitStatus status) {
    if (slot.isEnding) return stopped(slot);
    bool isMissing = status.kind == ExitStatus::EXITED && status.value == NO_SUCH_SERVER &&
                     !KJ_ASSERT_NONNULL(slot.server)->hasBegun();
    if (isMissing) {
      slot.missingUntil = timer.now() + lookAgain;
      stopped(slot);
    } else {
      died(slot, kj::str("it ended with exit code ", status.shellCode()));
    }
  }

  void stopped(Slot& slot) {
    slot.isRunning = false;
    bell.ring();
  }

  void failed(Slot& slot, kj::Exception e) {
    stopped(slot);
    if (slot.isEnding) return;
    switch (sandbridge::kindOf(e)) {
      case ErrorKind::SANDBOX_LOST:
        loss = kj::mv(e);
        break;
      case ErrorKind::UNAVAILABLE:
      case ErrorKind::INTERRUPTED:
      case ErrorKind::NOT_FOUND:
        // Not the server's fault: the sandbox was suspended, say, or deleted.
        logInfo("the language server ", slot.kind.name, " was lost: ", textOf(e));
        break;
      default:
        died(slot, textOf(e));
    }
  }

  void died(Slot& slot, kj::StringPtr why) {
    stopped(slot);
    if (++slot.deaths == MOST_DEATHS) return giveUp(slot, why);
    logWarning("the language server ", slot.kind.name, " failed: ", why);
  }

  void giveUp(Slot& slot, kj::StringPtr why) {
    slot.isUseless = true;
    logWarning("the language server ", slot.kind.name, " is given up for this session: ", why);
  }

  kj::Promise<void> end(Slot& slot, kj::TimePoint late) {
    slot.idle = nullptr;
    if (!slot.isRunning) co_return;
    auto life = slot.life;
    slot.isEnding = true;
    try {
      co_await KJ_ASSERT_NONNULL(slot.server)->terminate().exclusiveJoin(timer.atTime(late));
      while (slot.isRunning && slot.life == life && timer.now() < late) {
        // What asks for an end has no use for how it comes about.
        co_await bell.next().exclusiveJoin(timer.atTime(late));
      }
    } catch (kj::Exception& e) {
      logInfo("the language server ", slot.kind.name, " could not be asked to end: ", textOf(e));
    }
    if (slot.life == life) drop(slot);
  }

  kj::Promise<std::vector<FileDiagnostics>> checkNow(std::vector<ChangedFile> files) {
    auto late = timer.now() + limit;
    std::vector<Told> told;
    for (auto& file : files) {
      KJ_IF_MAYBE (known, serverFor(file.path)) {
        auto& slot = slotOf(known->kind);
        if (!mayStart(slot)) continue;
        start(slot).change(file.path, known->language, file.text);
        told.push_back({slot, slot.life, std::move(file.path)});
      }
    }
    files.clear();
    co_await settle(told).exclusiveJoin(timer.atTime(late));

    bool anyAnswered = false;
    for (auto& [slot, life, path] : told) {
      if (!isAwaited(slot, life)) continue;
      bool answered = KJ_ASSERT_NONNULL(slot.server)->answered(path) != nullptr;
      anyAnswered = anyAnswered || answered;
      slot.lateAnswers = answered ? 0 : slot.lateAnswers + 1;
      if (slot.lateAnswers == MOST_LATE) {
        drop(slot);
        giveUp(slot, "it does not answer in time");
      } else {
        slot.idle = timer.afterDelay(IDLE).then([this, &slot]() { drop(slot); }).eagerlyEvaluate(nullptr);
      }
    }
    std::vector<FileDiagnostics> all;
    if (!anyAnswered) co_return all;
    for (auto& slot : slots) {
      if (!slot.isRunning) continue;
      auto& said = KJ_ASSERT_NONNULL(slot.server)->said();
      all.insert(all.end(), said.begin(), said.end());
    }
    co_return all;
  }

  static bool isAwaited(const Slot& slot, uint64_t life) { return slot.isRunning && slot.life == life; }

  // Resolves when the servers have said all that they have to say.
  kj::Promise<void> settle(const std::vector<Told>& told) {
    for (;;) {
      bool anyMissing = false;
      auto quiet = timer.now();
      for (auto& [slot, life, path] : told) {
        if (!isAwaited(slot, life)) continue;
        KJ_IF_MAYBE (at, KJ_ASSERT_NONNULL(slot.server)->answered(path)) {
          quiet = kj::max(quiet, *at + SETTLE);
        } else {
          anyMissing = true;
        }
      }
      if (anyMissing) {
        co_await bell.next();
      } else if (quiet > timer.now()) {
        co_await bell.next().exclusiveJoin(timer.atTime(quiet));
      } else {
        co_return;
      }
    }
  }
};

}  // namespace

kj::Own<LanguageServers> newSessionServers(Workspace& workspace, kj::Timer& timer,
                                           kj::Duration limit, kj::Duration lookAgain) {
  return kj::heap<SessionServers>(workspace, timer, limit, lookAgain);
}

}  // namespace sandbridge::lsp
