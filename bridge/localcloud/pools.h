#pragma once
// Pools: containers that run before anybody needs them.
//
// A container of a pool is a box like any other, with a record like any other: one that is warm becomes a client's sandbox
// by a mark in its record, so that a claim costs no start and an adopted container is as good as a new one. Each pool starts
// its warm containers one after the other, and more slowly when they fail or die.

#include "localcloud/pool-record.h"
#include "localcloud/registry.h"

namespace sandbridge::localcloud {

class Pool final : public kj::Refcounted {
 public:
  Pool(Registry& registry, PoolRecord record);
  KJ_DISALLOW_COPY(Pool);

  const PoolRecord& record() const { return info; }
  // Warm and claimed ones, oldest first.
  kj::Array<kj::Own<Sandbox>> containers() const { return registry.inPool(info.id); }

  bool isAtMax() const;

  // A warm container, or a new one that starts. None: the pool is at its `max_containers`, or the machine is full. Throws
  // when it cannot be saved.
  kj::Maybe<kj::Own<Sandbox>> claim();
  // Resolves, first come first served, when claim() may have one; cancel it to give up. None beyond MAX_WAITING.
  kj::Maybe<kj::Promise<void>> whenFree();
  // Somebody whom whenFree() let go on does not want the place.
  void passOn() { somethingChanged(); }

 private:
  friend class Pools;
  static constexpr size_t MAX_WAITING = 1000;

  Registry& registry;
  PoolRecord info;
  unsigned failures = 0;  // of warm containers in a row
  kj::TimePoint nextStart = kj::origin<kj::TimePoint>();  // not before it, after failures
  kj::Own<kj::PromiseFulfiller<void>> wake;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> waiting;
  kj::Promise<void> keeping = nullptr;  // last

  kj::Promise<void> keepWarm();
  bool fits(const SandboxRecord& container) const;
  kj::Own<Sandbox> start(bool warm);
  void somethingChanged();
};

class Pools final : private Registry::Watcher {
 public:
  // Both must outlive the pools.
  Pools(Registry& registry, PoolStore& store);
  KJ_DISALLOW_COPY(Pools);

  // Takes over what earlier servers left. Call once, after the registry has.
  void adopt();

  // These throw when the pool cannot be saved, and then nothing has changed.
  kj::Own<Pool> create(PoolRecord record);
  // Idle containers that are not as the new configuration says are replaced; claimed ones stay as they are.
  void update(Pool& pool, PoolRecord record);
  // Ends its idle containers. It must not have claimed ones.
  void remove(Pool& pool);

  kj::Maybe<kj::Own<Pool>> find(kj::StringPtr ns, kj::StringPtr id);
  // Newest first.
  kj::Array<kj::Own<Pool>> list(kj::StringPtr ns);
  bool isFull() const;

 private:
  Registry& registry;
  PoolStore& store;
  kj::HashMap<kj::String, kj::Own<Pool>> pools;

  void insert(PoolRecord record);
  void sandboxGone(const SandboxRecord& record) override;
};

}  // namespace sandbridge::localcloud
