#include "localcloud/pools.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"

#include <algorithm>

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

constexpr size_t MAX_POOLS = 1000;

// After containers that do not start or do not last: the second waits this long, each further one twice as long.
constexpr kj::Duration FIRST_DELAY = 500 * kj::MILLISECONDS;
constexpr kj::Duration LONGEST_DELAY = 60 * kj::SECONDS;

// Its words for why a container ended, which no client sees.
constexpr kj::StringPtr REPLACED = "PoolUpdated"_kj, POOL_DELETED = "PoolDeleted"_kj;

// A configuration as text that is equal when containers made of it are.
kj::String fingerprint(const SandboxRecord& record) {
  auto plain = copyOf(record);
  SandboxRecord none;
  plain.status = none.status;
  plain.createdAt = plain.terminatedAt = 0;
  for (auto text: {&plain.id, &plain.name, &plain.terminationReason, &plain.errorDetails, &plain.poolId}) {
    *text = nullptr;
  }
  plain.warm = false;
  JsonWriter json;
  writeRecord(json, plain);
  return json.finish();
}

void dropEnded(kj::Vector<kj::Own<kj::PromiseFulfiller<void>>>& waiting) {
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> alive;
  for (auto& fulfiller: waiting) {
    if (fulfiller->isWaiting()) alive.add(kj::mv(fulfiller));
  }
  waiting = kj::mv(alive);
}

}  // namespace

// ------------------------------------------------------------------------------------------------
// Pool

Pool::Pool(Registry& registry, PoolRecord record): registry(registry), info(kj::mv(record)) {
  keeping = keepWarm().eagerlyEvaluate([this](kj::Exception&& e) {
    logError("pool ", info.id, " stops keeping containers warm: ", textOf(e));
  });
}

bool Pool::fits(const SandboxRecord& container) const {
  return fingerprint(container) == fingerprint(info.configuration);
}

bool Pool::isAtMax() const {
  KJ_IF_MAYBE(max, info.maxContainers) return containers().size() >= *max;
  return false;
}

kj::Own<Sandbox> Pool::start(bool warm) {
  auto record = copyOf(info.configuration);
  record.poolId = kj::str(info.id);
  record.warm = warm;
  return registry.create(kj::mv(record));
}

void Pool::somethingChanged() {
  if (wake.get() != nullptr) wake->fulfill();
  dropEnded(waiting);
  if (waiting.size() == 0) return;
  size_t room = 0;
  auto all = containers();
  for (auto& container: all) room += container->record().warm && container->status() == Status::RUNNING;
  KJ_IF_MAYBE(max, info.maxContainers) {
    room += *max - kj::min(size_t(*max), all.size());
  } else {
    room = waiting.size();
  }
  for (auto& fulfiller: waiting.slice(0, kj::min(room, waiting.size()))) fulfiller->fulfill();
}

kj::Maybe<kj::Promise<void>> Pool::whenFree() {
  dropEnded(waiting);
  if (waiting.size() >= MAX_WAITING) return nullptr;
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiting.add(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

kj::Maybe<kj::Own<Sandbox>> Pool::claim() {
  auto all = containers();
  kj::Maybe<kj::Own<Sandbox>> starting;
  for (auto& container: all) {
    if (!container->record().warm || !fits(container->record())) continue;
    if (container->status() == Status::RUNNING) {
      container->claim();
      failures = 0;
      somethingChanged();
      return kj::mv(container);
    }
    if (container->status() == Status::PENDING && starting == nullptr) starting = kj::addRef(*container);
  }
  // One that is under way comes sooner than a new one.
  KJ_IF_MAYBE(container, starting) {
    (*container)->claim();
    somethingChanged();
    return kj::mv(starting);
  }
  if (isAtMax() || registry.isFull()) return nullptr;
  return start(false);
}

kj::Promise<void> Pool::keepWarm() {
  co_await kj::evalLater([]() {});
  for (;;) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    wake = kj::mv(paf.fulfiller);

    auto all = containers();
    size_t idle = 0;
    size_t wanted = info.warmContainers.orDefault(0);
    for (auto& container: all) {
      if (!container->record().warm || container->status() == Status::TERMINATED) continue;
      if (idle < wanted && fits(container->record())) {
        idle++;
      } else {
        container->terminate(REPLACED);
      }
    }
    if (idle >= wanted || isAtMax() || registry.isFull()) {
      co_await paf.promise;
      continue;
    }

    auto& timer = registry.getTimer();
    if (failures > 0 && timer.now() < nextStart) {
      // A claim of a good one, or another configuration, ends the wait.
      co_await timer.atTime(nextStart).exclusiveJoin(kj::mv(paf.promise));
      continue;
    }
    nextStart = timer.now() + kj::min(LONGEST_DELAY, FIRST_DELAY * (1 << kj::min(failures, 8u)));
    kj::Maybe<kj::Own<Sandbox>> started;
    KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { started = start(true); })) {
      logError("a warm container of pool ", info.id, " could not be saved: ", textOf(*e));
      failures++;
    }
    KJ_IF_MAYBE(container, started) {
      co_await (*container)->settled();
      if ((*container)->status() == Status::TERMINATED) {
        // Not the next one beside a failed one that is still being removed.
        co_await (*container)->terminate(REPLACED).catch_([this](kj::Exception&&) { failures++; });
      }
    }
  }
}

// ------------------------------------------------------------------------------------------------
// Pools

Pools::Pools(Registry& registry, PoolStore& store): registry(registry), store(store) {
  registry.watch(*this);
}

void Pools::adopt() {
  for (auto& record: store.load()) insert(kj::mv(record));
  // A pool that was deleted, or created when its record was lost.
  registry.endWarm([this](kj::StringPtr poolId) { return pools.find(poolId) == nullptr; }, POOL_DELETED);
}

void Pools::insert(PoolRecord record) {
  auto id = kj::str(record.id);
  pools.insert(kj::mv(id), kj::refcounted<Pool>(registry, kj::mv(record)));
}

bool Pools::isFull() const { return pools.size() >= MAX_POOLS; }

kj::Own<Pool> Pools::create(PoolRecord record) {
  record.id = newId();
  record.createdAt = record.updatedAt = currentMillis();
  store.save(record);
  auto id = kj::str(record.id);
  insert(kj::mv(record));
  return kj::addRef(*KJ_ASSERT_NONNULL(pools.find(id)));
}

void Pools::update(Pool& pool, PoolRecord record) {
  record.id = kj::str(pool.info.id);
  record.createdAt = pool.info.createdAt;
  record.updatedAt = kj::max(currentMillis(), pool.info.updatedAt + 1);
  store.save(record);
  pool.info = kj::mv(record);
  pool.failures = 0;
  pool.somethingChanged();
}

void Pools::remove(Pool& pool) {
  auto kept = kj::addRef(pool);
  store.remove(pool.info.id);
  pool.keeping = nullptr;
  pools.erase(pool.info.id);
  // Whoever waits for a place is told that there is no pool any more.
  for (auto& fulfiller: pool.waiting) fulfiller->fulfill();
  registry.endWarm([&](kj::StringPtr poolId) { return poolId == pool.info.id; }, POOL_DELETED);
}

kj::Maybe<kj::Own<Pool>> Pools::find(kj::StringPtr ns, kj::StringPtr id) {
  KJ_IF_MAYBE(pool, pools.find(id)) {
    if ((*pool)->record().ns() == ns) return kj::addRef(**pool);
  }
  return nullptr;
}

kj::Array<kj::Own<Pool>> Pools::list(kj::StringPtr ns) {
  kj::Vector<kj::Own<Pool>> result;
  for (auto& entry: pools) {
    if (entry.value->record().ns() == ns) result.add(kj::addRef(*entry.value));
  }
  std::sort(result.begin(), result.end(), [](auto& a, auto& b) {
    if (a->record().createdAt != b->record().createdAt) return a->record().createdAt > b->record().createdAt;
    return a->record().id > b->record().id;
  });
  return result.releaseAsArray();
}

void Pools::sandboxGone(const SandboxRecord& record) {
  KJ_IF_MAYBE(pool, pools.find(record.poolId)) {
    if (record.warm && record.terminationReason != REPLACED) {
      (*pool)->failures++;
      logWarning("a warm container of pool ", record.poolId, " ended: ", record.terminationReason, ' ',
                 record.errorDetails);
    }
    (*pool)->somethingChanged();
  }
}

}  // namespace sandbridge::localcloud
