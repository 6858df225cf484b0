#include "localcloud/sandboxes-api.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "localcloud/wire-format.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

// Of a client that does not say: what the official client sends.
constexpr kj::Duration START_PATIENCE = 300 * kj::SECONDS;
// The answer's way back.
constexpr kj::Duration LONGEST_MARGIN = 2 * kj::SECONDS;
constexpr kj::Duration DELETE_PATIENCE = 60 * kj::SECONDS;

}  // namespace

Refusal noSuchSandbox(kj::StringPtr idOrName) {
  return {404, "SANDBOX_NOT_FOUND"_kj, kj::str("there is no sandbox ", quote(idOrName))};
}

Refusal tooManySandboxes() {
  return {429, "SANDBOX_LIMIT"_kj,
          kj::str("this machine holds as many sandboxes as it takes; delete some first")};
}

kj::TimePoint startDeadline(const ApiCall& call, kj::Timer& timer) {
  auto patience = call.patience.orDefault(START_PATIENCE);
  return timer.now() + patience - kj::min(patience / 4, LONGEST_MARGIN);
}

kj::Promise<void> answerWhenStarted(ApiCall& call, Sandbox& sandbox, kj::Timer& timer, kj::TimePoint deadline,
                                    kj::StringPtr url, bool confirm) {
  auto late = timer.atTime(deadline).then([]() { return true; });
  bool timedOut = co_await sandbox.settled().then([]() { return false; }).exclusiveJoin(kj::mv(late));
  timedOut = timedOut && sandbox.status() == Status::PENDING;
  co_await call.reply(timedOut ? 504 : 200, formatCreated(sandbox.record(), url, timedOut, confirm));
}

kj::Promise<void> SandboxesApi::serve(ApiCall call) {
  auto& path = call.path;
  if (path.size() == 0) {
    if (call.method == kj::HttpMethod::POST) return create(kj::mv(call));
    if (call.method == kj::HttpMethod::GET) return list(kj::mv(call));
    return call.refuseMethod();
  }

  auto found = registry.find(call.ns, path[0]);
  KJ_IF_MAYBE(sandbox, found) {
    if (path.size() == 1) {
      switch (call.method) {
        case kj::HttpMethod::GET:
          return call.reply(200, formatInfo((*sandbox)->record(), url));
        case kj::HttpMethod::PATCH:
          return update(kj::mv(call), kj::mv(*sandbox));
        case kj::HttpMethod::DELETE:
          return remove(kj::mv(call), kj::mv(*sandbox));
        default:
          return call.refuseMethod();
      }
    }
    if (path.size() == 2 && (path[1] == "suspend" || path[1] == "resume")) {
      if (call.method != kj::HttpMethod::POST) return call.refuseMethod();
      bool suspends = path[1] == "suspend";
      return suspends ? suspend(kj::mv(call), **sandbox) : resume(kj::mv(call), **sandbox);
    }
    if (path.size() == 2 && path[1] == "file_systems") {
      // To attach one and to detach one.
      bool known = call.method == kj::HttpMethod::POST || call.method == kj::HttpMethod::DELETE;
      return known ? call.refuseAsMissing("shared file systems") : call.refuseMethod();
    }
    return call.refusePath();
  }
  return call.refuse(noSuchSandbox(path[0]));
}

kj::Promise<void> SandboxesApi::create(ApiCall call) {
  auto read = co_await call.readBody(registry.getTimer());
  KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  auto parsed = parseCreate(read.get<kj::Array<kj::byte>>().asChars(), call.ns);
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  auto& record = parsed.get<SandboxRecord>();
  if (record.network.hasLists()) {
    KJ_IF_MAYBE(refusal, registry.refuseNetwork(record.network)) {
      co_await call.refuse(kj::mv(*refusal));
      co_return;
    }
  }
  if (record.snapshotId.size() > 0) {
    KJ_IF_MAYBE(refusal, snapshots.restore(record)) {
      co_await call.refuse(kj::mv(*refusal));
      co_return;
    }
  }
  if (record.isNamed() && registry.find(call.ns, record.name) != nullptr) {
    co_await call.refuse({409, "NAME_CONFLICT"_kj,
        kj::str("there is a sandbox named ", quote(record.name), " already")});
    co_return;
  }
  if (record.terminationReason.size() > 0) {
    // It would end at once: the same answer without leaving anything behind.
    record.id = newId();
    record.status = Status::TERMINATED;
    co_await call.reply(200, formatCreated(record, url, false));
    co_return;
  }
  if (registry.isFull()) {
    co_await call.refuse(tooManySandboxes());
    co_return;
  }

  kj::Maybe<kj::Own<Sandbox>> created;
  kj::String failure;
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { created = registry.create(kj::mv(record)); })) {
    logError("a new sandbox could not be saved: ", textOf(*e));
    failure = textOf(*e);
  }
  KJ_IF_MAYBE(sandbox, created) {
    auto& timer = registry.getTimer();
    co_await answerWhenStarted(call, **sandbox, timer, startDeadline(call, timer), url);
  } else {
    co_await call.refuse({507, "STORAGE"_kj,
        kj::str("the sandbox could not be written to disk: ", failure)});
  }
}

kj::Promise<void> SandboxesApi::list(ApiCall call) {
  auto page = parseListQuery(call.query);
  KJ_IF_MAYBE(refusal, page.tryGet<Refusal>()) {
    return call.refuse(kj::mv(*refusal));
  }
  auto sandboxes = registry.list(call.ns);
  kj::Vector<const SandboxRecord*> records;
  for (auto& sandbox: sandboxes) records.add(&sandbox->record());
  return call.reply(200, formatList(records, page.get<Page>(), url));
}

kj::Promise<void> SandboxesApi::update(ApiCall call, kj::Own<Sandbox> sandbox) {
  auto read = co_await call.readBody(registry.getTimer());
  KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  auto parsed = parseUpdate(read.get<kj::Array<kj::byte>>().asChars());
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  auto& update = parsed.get<SandboxUpdate>();
  auto& record = sandbox->record();
  KJ_IF_MAYBE(policy, update.network) {
    auto refusal = co_await sandbox->setNetwork(kj::mv(*policy));
    KJ_IF_MAYBE(r, refusal) {
      co_await call.refuse(kj::mv(*r));
      co_return;
    }
  }
  KJ_IF_MAYBE(name, update.name) {
    KJ_IF_MAYBE(other, registry.find(record.ns, *name)) {
      if (other->get() != sandbox.get()) {
        co_await call.refuse({409, "NAME_CONFLICT"_kj,
            kj::str("there is a sandbox named ", quote(*name), " already")});
        co_return;
      }
    }
  }
  if (update.name != nullptr || !update.access.isEmpty()) {
    if (record.status == Status::TERMINATED) {
      co_await call.refuse({400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " is terminated")});
      co_return;
    }
    kj::Maybe<kj::String> failure;
    KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { sandbox->change(kj::mv(update.name), update.access); })) {
      logError("a change of sandbox ", record.id, " could not be saved: ", textOf(*e));
      failure = kj::str("the change could not be written to disk: ", textOf(*e));
    }
    KJ_IF_MAYBE(text, failure) {
      co_await call.refuse({507, "STORAGE"_kj, kj::mv(*text)});
      co_return;
    }
  }
  co_await call.reply(200, formatInfo(sandbox->record(), url));
}

kj::Promise<void> SandboxesApi::remove(ApiCall call, kj::Own<Sandbox> sandbox) {
  // The end goes on without this request; a second DELETE joins it.
  auto late = registry.getTimer().afterDelay(DELETE_PATIENCE).then([]() -> kj::String {
    return kj::str("it takes longer than expected");
  });
  auto failure = co_await sandbox->terminate("UserRequested")
                     .then([]() { return kj::String(); },
                           [](kj::Exception&& e) { return textOf(e); })
                     .exclusiveJoin(kj::mv(late));
  if (failure.size() == 0) {
    co_await call.reply(200, kj::str("{}"));
  } else {
    co_await call.refuse({500, "INTERNAL_ERROR"_kj,
        kj::str("sandbox ", sandbox->record().id, " could not be removed: ", failure)});
  }
}

kj::Promise<void> SandboxesApi::suspend(ApiCall call, Sandbox& sandbox) {
  auto& record = sandbox.record();
  switch (sandbox.suspend()) {
    case Sandbox::Answer::STARTED:
      return call.reply(202, formatInfo(record, url));
    case Sandbox::Answer::ALREADY:
      return call.reply(200, formatInfo(record, url));
    case Sandbox::Answer::REFUSED:
      if (!record.isNamed()) {
        return call.refuse({400, "INVALID_STATE"_kj,
            kj::str("sandbox ", record.id, " has no name; only named sandboxes can be suspended")});
      }
      return call.refuse({400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " cannot be suspended (status: ", toWord(record.status), ")")});
  }
  KJ_UNREACHABLE;
}

kj::Promise<void> SandboxesApi::resume(ApiCall call, Sandbox& sandbox) {
  auto& record = sandbox.record();
  switch (sandbox.resume()) {
    case Sandbox::Answer::STARTED:
      return call.reply(202, formatInfo(record, url));
    case Sandbox::Answer::ALREADY:
      return call.reply(200, formatInfo(record, url));
    case Sandbox::Answer::REFUSED:
      return call.refuse({400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " cannot be resumed (status: ", toWord(record.status), ")")});
  }
  KJ_UNREACHABLE;
}

}  // namespace sandbridge::localcloud
