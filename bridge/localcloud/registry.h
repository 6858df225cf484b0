#pragma once
// The sandboxes of this machine: how they are found, made, taken over from earlier servers and forgotten.

#include "localcloud/sandbox.h"

#include <kj/function.h>
#include <kj/map.h>

namespace sandbridge::localcloud {

class Registry final : private kj::TaskSet::ErrorHandler {
 public:
  // Told what happens to sandboxes, in the middle of it: it must not touch them there.
  class Watcher {
   public:
    // Nothing of the sandbox is left, or nothing that this server can remove.
    virtual void sandboxGone(const SandboxRecord& record) = 0;
  };

  // All must outlive the registry.
  Registry(kj::Timer& timer, Boxes& boxes, RecordStore& store, SandboxLogs& logs);
  KJ_DISALLOW_COPY(Registry);

  // Takes over what earlier servers left. Call once, first.
  kj::Promise<void> adopt();

  // The watcher must outlive the registry, or its use.
  void watch(Watcher& newWatcher) { watcher = newWatcher; }

  // Warm containers are no sandboxes yet: neither found nor listed. By id, or by the name of one that is not terminated.
  kj::Maybe<kj::Own<Sandbox>> find(kj::StringPtr ns, kj::StringPtr idOrName);
  // The same in whatever namespace, for the data plane, whose addresses have none.
  kj::Maybe<kj::Own<Sandbox>> findAnywhere(kj::StringPtr idOrName);

  bool isFull() const;
  // Whether this machine can enforce the policy of a new sandbox or a pool.
  kj::Maybe<Refusal> refuseNetwork(const NetworkPolicy& policy);
  // Saved and starting when it returns; throws when it cannot be saved.
  kj::Own<Sandbox> create(SandboxRecord record);

  // Newest first, terminated ones included.
  kj::Array<kj::Own<Sandbox>> list(kj::StringPtr ns);
  // What a pool holds, warm or claimed, oldest first; those that are still being removed included.
  kj::Array<kj::Own<Sandbox>> inPool(kj::StringPtr poolId);
  // Begins to end the warm containers of pools that `which` names.
  void endWarm(kj::FunctionParam<bool(kj::StringPtr poolId)> which, kj::StringPtr reason);

  kj::Timer& getTimer() { return timer; }

 private:
  friend class Sandbox;

  kj::Timer& timer;
  Boxes& boxes;
  RecordStore& store;
  SandboxLogs& logs;
  kj::HashMap<kj::String, kj::Own<Sandbox>> sandboxes;
  kj::Maybe<Watcher&> watcher;
  bool toldOfDisk = false;
  kj::TaskSet tasks;  // last

  Sandbox& insert(SandboxRecord record);
  void adoptOne(SandboxRecord record, kj::Maybe<AdoptedBox&> adopted);
  kj::Promise<void> discard(AdoptedBox box);
  kj::Promise<void> restoreNetworks();
  void gone(Sandbox& sandbox);
  void forget(kj::StringPtr id);
  void forgetOldest();
  void taskFailed(kj::Exception&& e) override;
};

// Milliseconds since the epoch.
int64_t currentMillis();

}  // namespace sandbridge::localcloud
