#pragma once
// Snapshots as clients know them: records, from the asking to the deletion, over the files that Boxes keeps.
//
//   in_progress -> local_ready (sandboxes can start on it) -> completed (survives a power failure); in_progress -> failed.
//
// They hold files, not memory. One outlives its sandbox; one that is deleted goes when the last sandbox on it does.

#include "localcloud/registry.h"

#include <kj/map.h>
#include <kj/one-of.h>

namespace sandbridge::localcloud {

struct SnapshotRecord {
  enum class State { IN_PROGRESS, LOCAL_READY, COMPLETED, FAILED };

  kj::String id;
  kj::String ns;
  kj::String sandboxId;
  State state = State::IN_PROGRESS;
  kj::String error;  // why it failed

  // Of its sandbox: what one that is restored has if its creator names nothing else.
  kj::String image;
  double cpus = 1;
  uint32_t memoryMb = 0;
  uint32_t diskMb = 0;

  uint64_t sizeBytes = 0;
  int64_t createdAt = 0;  // ms since the epoch
};

kj::StringPtr toWord(SnapshotRecord::State state);

class Snapshots final : private kj::TaskSet::ErrorHandler {
 public:
  // Records are kept in `dir`. Registry and boxes must outlive this.
  Snapshots(Registry& registry, Boxes& boxes, kj::StringPtr dir);
  KJ_DISALLOW_COPY(Snapshots);

  // Takes over what earlier servers left: what was in progress is ready if its files are, and has failed otherwise. Call once,
  // after Registry::adopt().
  void adopt();

  // Saved and begun when it returns; throws when it cannot be saved.
  kj::OneOf<const SnapshotRecord*, Refusal> take(Sandbox& sandbox);

  kj::Maybe<const SnapshotRecord&> find(kj::StringPtr ns, kj::StringPtr id);
  kj::Array<const SnapshotRecord*> list(kj::StringPtr ns);  // newest first
  // Throws when that cannot be saved, and then nothing has changed.
  void remove(kj::StringPtr id);

  // Fills in what the creator of a sandbox left to its snapshot; or why it cannot be restored so.
  kj::Maybe<Refusal> restore(SandboxRecord& record);

  struct Copies: public kj::Refcounted {
    kj::Vector<kj::Own<Sandbox>> sandboxes;
    kj::Vector<kj::String> failures;  // of those that could not even be begun
    bool abandoned = false;           // set it, and no more are begun
  };
  struct Copying {
    kj::Own<Copies> copies;
    kj::Promise<void> done;  // when each runs or has failed; never rejects
  };
  // New ephemeral sandboxes on the files that this one has now. Goes on without whoever asked.
  kj::OneOf<Copying, Refusal> copy(Sandbox& sandbox, unsigned times);

 private:
  Registry& registry;
  Boxes& boxes;
  RecordFiles files;
  kj::HashMap<kj::String, SnapshotRecord> records;
  kj::TaskSet tasks;

  kj::Promise<void> finish(kj::String id, kj::Promise<SnapshotFacts> taken);
  kj::Promise<void> complete(kj::String id);
  kj::Promise<void> doCopy(kj::Own<Sandbox> source, kj::String snapshot, kj::Promise<SnapshotFacts> taken,
                           unsigned times, kj::Own<Copies> copies);
  void change(kj::StringPtr id, kj::FunctionParam<void(SnapshotRecord&)> how);
  void save(const SnapshotRecord& record, Sync sync);
  void taskFailed(kj::Exception&& e) override;
};

}  // namespace sandbridge::localcloud
