#include "localcloud/registry.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"

#include <algorithm>
#include <set>
#include <string>

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

// A pid namespace, a handful of mounts and a daemon each: more would starve any one machine.
constexpr size_t MAX_LIVE = 1000;
// Terminated sandboxes stay visible for a while, as in the service, but not for ever.
constexpr size_t MAX_HISTORY = 200;

}  // namespace

int64_t currentMillis() {
  return (kj::systemPreciseCalendarClock().now() - kj::UNIX_EPOCH) / kj::MILLISECONDS;
}

Registry::Registry(kj::Timer& timer, Boxes& boxes, RecordStore& store, SandboxLogs& logs)
    : timer(timer), boxes(boxes), store(store), logs(logs), tasks(*this) {}

void Registry::taskFailed(kj::Exception&& e) {
  logError("a task of the local cloud failed: ", textOf(e));
}

Sandbox& Registry::insert(SandboxRecord record) {
  auto id = kj::heapString(record.id);
  return *sandboxes.insert(kj::mv(id), kj::refcounted<Sandbox>(*this, kj::mv(record))).value;
}

kj::Promise<void> Registry::adopt() {
  auto boxesLeft = co_await boxes.adopt();
  auto loaded = store.load();
  kj::HashMap<kj::StringPtr, AdoptedBox*> byId;
  for (auto& box: boxesLeft) byId.insert(box.id, &box);

  for (auto& id: loaded.damaged) {
    logError("the record of sandbox ", id, " is damaged; the sandbox is left alone");
    byId.erase(id);
  }
  for (auto& record: loaded.records) {
    auto id = kj::heapString(record.id);
    KJ_IF_MAYBE(box, byId.find(id)) {
      adoptOne(kj::mv(record), **box);
      byId.erase(id);
    } else {
      adoptOne(kj::mv(record), nullptr);
    }
  }
  // No record was ever written: the creation stopped half-way, and nobody knows the id.
  for (auto& entry: byId) {
    logWarning("removing sandbox ", entry.key, ", whose creation never finished");
    tasks.add(discard(kj::mv(*entry.value)));
  }
  forgetOldest();
  tasks.add(restoreNetworks());
  std::set<std::string> damaged;
  for (auto& id: loaded.damaged) damaged.insert(id.cStr());
  logs.removeAllBut([&](kj::StringPtr id) {
    return sandboxes.find(id) != nullptr || damaged.count(id.cStr()) > 0;
  });
}

// One after the other: each is a process of its own for some milliseconds.
kj::Promise<void> Registry::restoreNetworks() {
  kj::Vector<kj::Own<Sandbox>> running;
  for (auto& entry: sandboxes) {
    if (entry.value->box != nullptr) running.add(kj::addRef(*entry.value));
  }
  for (auto& sandbox: running) co_await sandbox->restoreNetwork();
}

void Registry::adoptOne(SandboxRecord record, kj::Maybe<AdoptedBox&> adopted) {
  bool wasPending = record.status == Status::PENDING;
  auto& sandbox = insert(kj::mv(record));
  if (sandbox.status() == Status::TERMINATED) {
    KJ_IF_MAYBE(a, adopted) {
      KJ_IF_MAYBE(b, a->box) sandbox.box = kj::mv(*b);
      sandbox.termination = sandbox.doTerminate().fork();
    } else {
      sandbox.cleanedUp = true;
    }
    return;
  }
  KJ_IF_MAYBE(a, adopted) {
    KJ_IF_MAYBE(b, a->box) {
      sandbox.hold(kj::mv(*b));
      sandbox.info.status = a->frozen ? Status::SUSPENDED : Status::RUNNING;
      if (a->frozen && !sandbox.info.isNamed()) {
        // Only named ones may be suspended; whatever froze this one, it must not stay so for ever.
        sandbox.info.status = Status::PENDING;
        sandbox.begin(sandbox.doThaw());
      }
      return;
    }
    if (sandbox.info.isNamed() && !wasPending) {
      sandbox.info.status = Status::SUSPENDED;
      sandbox.info.errorDetails =
          kj::str("the processes of this sandbox ended with an earlier server; its files are kept");
      return;
    }
  }
  // Ephemeral without processes, never started, or without files.
  sandbox.terminate(wasPending ? "StartupFailed" : "ProcessesLost");
}

kj::Promise<void> Registry::discard(AdoptedBox left) {
  KJ_IF_MAYBE(b, left.box) co_await (*b)->end();
  left.box = nullptr;
  co_await boxes.remove(left.id);
}

kj::Maybe<kj::Own<Sandbox>> Registry::find(kj::StringPtr ns, kj::StringPtr idOrName) {
  KJ_IF_MAYBE(found, sandboxes.find(idOrName)) {
    if ((*found)->info.ns == ns && !(*found)->info.warm) return kj::addRef(**found);
  }
  for (auto& entry: sandboxes) {
    auto& info = entry.value->info;
    if (info.isNamed() && info.name == idOrName && info.ns == ns && info.status != Status::TERMINATED) {
      return kj::addRef(*entry.value);
    }
  }
  return nullptr;
}

kj::Maybe<kj::Own<Sandbox>> Registry::findAnywhere(kj::StringPtr idOrName) {
  KJ_IF_MAYBE(found, sandboxes.find(idOrName)) {
    if (!(*found)->info.warm) return kj::addRef(**found);
  }
  // The default namespace first: most names live there.
  KJ_IF_MAYBE(found, find("default", idOrName)) return kj::mv(*found);
  for (auto& entry: sandboxes) {
    KJ_IF_MAYBE(found, find(entry.value->info.ns, idOrName)) return kj::mv(*found);
  }
  return nullptr;
}

bool Registry::isFull() const {
  size_t live = 0;
  for (auto& entry: sandboxes) {
    if (!entry.value->isCleanedUp()) live++;
  }
  return live >= MAX_LIVE;
}

kj::Own<Sandbox> Registry::create(SandboxRecord record) {
  if (!toldOfDisk) {
    toldOfDisk = true;
    logWarning("local sandboxes share this machine's disk: disk_mb is reported, not enforced");
  }
  record.id = newId();
  record.status = Status::PENDING;
  record.createdAt = currentMillis();
  store.save(record, Sync::LATER);
  auto& sandbox = insert(kj::mv(record));
  sandbox.note(LogLevel::INFO, "the sandbox was created");
  sandbox.begin(sandbox.doStart(true));
  forgetOldest();
  return kj::addRef(sandbox);
}

kj::Array<kj::Own<Sandbox>> Registry::list(kj::StringPtr ns) {
  kj::Vector<kj::Own<Sandbox>> result;
  for (auto& entry: sandboxes) {
    auto& info = entry.value->info;
    if (info.ns == ns && !info.warm) result.add(kj::addRef(*entry.value));
  }
  std::sort(result.begin(), result.end(), [](auto& a, auto& b) {
    if (a->info.createdAt != b->info.createdAt) return a->info.createdAt > b->info.createdAt;
    return a->info.id > b->info.id;
  });
  return result.releaseAsArray();
}

kj::Array<kj::Own<Sandbox>> Registry::inPool(kj::StringPtr poolId) {
  kj::Vector<kj::Own<Sandbox>> result;
  for (auto& entry: sandboxes) {
    auto& sandbox = *entry.value;
    if (sandbox.info.poolId == poolId && !sandbox.isCleanedUp()) result.add(kj::addRef(sandbox));
  }
  std::sort(result.begin(), result.end(), [](auto& a, auto& b) {
    if (a->info.createdAt != b->info.createdAt) return a->info.createdAt < b->info.createdAt;
    return a->info.id < b->info.id;
  });
  return result.releaseAsArray();
}

void Registry::endWarm(kj::FunctionParam<bool(kj::StringPtr)> which, kj::StringPtr reason) {
  for (auto& entry: sandboxes) {
    auto& info = entry.value->info;
    if (info.warm && info.status != Status::TERMINATED && which(info.poolId)) entry.value->terminate(reason);
  }
}

void Registry::gone(Sandbox& sandbox) {
  KJ_IF_MAYBE(w, watcher) w->sandboxGone(sandbox.info);
  // Nobody ever saw it as a sandbox. Later, because its own promise is under way here.
  if (sandbox.info.warm) {
    tasks.add(kj::evalLater([this, id = kj::str(sandbox.info.id)]() { forget(id); }));
  }
}

void Registry::forget(kj::StringPtr id) {
  logs.remove(id);
  store.remove(id);
  sandboxes.erase(id);
}

void Registry::forgetOldest() {
  kj::Vector<kj::String> unseen;
  kj::Vector<Sandbox*> history;
  for (auto& entry: sandboxes) {
    if (!entry.value->isCleanedUp()) continue;
    if (entry.value->info.warm) {
      unseen.add(kj::str(entry.key));
    } else {
      history.add(entry.value.get());
    }
  }
  for (auto& id: unseen) forget(id);
  if (history.size() <= MAX_HISTORY) return;
  std::sort(history.begin(), history.end(),
            [](auto a, auto b) { return a->info.terminatedAt < b->info.terminatedAt; });
  for (auto sandbox: history.slice(0, history.size() - MAX_HISTORY)) {
    forget(kj::str(sandbox->info.id));
  }
}

}  // namespace sandbridge::localcloud
