#include "localcloud/snapshots.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <algorithm>

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

using State = SnapshotRecord::State;

constexpr State ALL[] = {State::IN_PROGRESS, State::LOCAL_READY, State::COMPLETED, State::FAILED};

// Each is a record in memory, and files on the disk that the sandboxes share.
constexpr size_t MAX_SNAPSHOTS = 1000;

kj::Maybe<SnapshotRecord> readRecord(kj::StringPtr text, kj::StringPtr id) {
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE(json, parsed) {
    SnapshotRecord record;
    bool known = false;
    auto word = getString(*json, "status").orDefault("");
    for (auto state: ALL) {
      if (word != toWord(state)) continue;
      record.state = state;
      known = true;
    }
    auto string = [&](kj::StringPtr key) { return kj::heapString(getString(*json, key).orDefault("")); };
    auto number = [&](kj::StringPtr key) { return getInt(*json, key).orDefault(0); };
    record.id = string("id");
    record.ns = string("namespace");
    record.sandboxId = string("sandbox_id");
    record.error = string("error");
    record.image = string("image");
    record.cpus = getNumber(*json, "cpus").orDefault(0);
    record.memoryMb = static_cast<uint32_t>(number("memory_mb"));
    record.diskMb = static_cast<uint32_t>(number("disk_mb"));
    record.sizeBytes = static_cast<uint64_t>(number("size_bytes"));
    record.createdAt = number("created_at");
    if (known && record.id == id && record.ns.size() > 0 && record.cpus > 0) return kj::mv(record);
  }
  return nullptr;
}

Refusal wrongState(kj::StringPtr what, const SandboxRecord& record) {
  return {400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " cannot be ", what, " (status: ", toWord(record.status), ")")};
}

}  // namespace

kj::StringPtr toWord(State state) {
  switch (state) {
    case State::IN_PROGRESS:
      return "in_progress"_kj;
    case State::LOCAL_READY:
      return "local_ready"_kj;
    case State::COMPLETED:
      return "completed"_kj;
    case State::FAILED:
      return "failed"_kj;
  }
  KJ_UNREACHABLE;
}

Snapshots::Snapshots(Registry& registry, Boxes& boxes, kj::StringPtr dir)
    : registry(registry), boxes(boxes), files(dir), tasks(*this) {}

void Snapshots::taskFailed(kj::Exception&& e) {
  logError("a task of the snapshots failed: ", textOf(e));
}

void Snapshots::save(const SnapshotRecord& record, Sync sync) {
  JsonWriter json;
  json.beginObject()
      .field("id", record.id)
      .field("namespace", record.ns)
      .field("sandbox_id", record.sandboxId)
      .field("status", toWord(record.state))
      .field("error", record.error)
      .field("image", record.image)
      .field("cpus", record.cpus)
      .field("memory_mb", record.memoryMb)
      .field("disk_mb", record.diskMb)
      .field("size_bytes", record.sizeBytes)
      .field("created_at", record.createdAt)
      .endObject();
  files.save(record.id, json.finish(), sync);
}

void Snapshots::adopt() {
  kj::Vector<kj::String> known;
  for (auto& file: files.load()) {
    // Whatever its record says, the files are the user's.
    known.add(kj::heapString(file.id));
    KJ_IF_MAYBE(text, file.text) {
      KJ_IF_MAYBE(record, readRecord(*text, file.id)) {
        records.insert(kj::heapString(file.id), kj::mv(*record));
        continue;
      }
    }
    logError("the record of snapshot ", file.id, " is damaged; the snapshot is left alone");
  }
  kj::HashSet<kj::String> there;
  for (auto& id: boxes.keepSnapshots(known)) there.insert(kj::mv(id));
  for (auto& entry: records) {
    auto& record = entry.value;
    if (record.state == State::FAILED) continue;
    bool isThere = there.find(record.id) != nullptr;
    if (isThere && record.state == State::COMPLETED) continue;
    if (isThere) {
      record.state = State::LOCAL_READY;
      tasks.add(complete(kj::heapString(record.id)));
    } else {
      bool begun = record.state == State::IN_PROGRESS;
      record.state = State::FAILED;
      record.error = kj::str(begun ? "the server ended while the snapshot was taken"
                                   : "the files of the snapshot are gone");
      logWarning("snapshot ", record.id, " has failed: ", record.error);
      KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { save(record, Sync::LATER); })) {
        logWarning("the state of snapshot ", record.id, " could not be saved: ", textOf(*e));
      }
    }
  }
}

kj::OneOf<const SnapshotRecord*, Refusal> Snapshots::take(Sandbox& sandbox) {
  auto& source = sandbox.record();
  if (!sandbox.canBeCopied()) return wrongState("snapshotted", source);
  if (records.size() >= MAX_SNAPSHOTS) {
    return Refusal{429, "SNAPSHOT_LIMIT"_kj,
        kj::str("this machine holds as many snapshots as it takes; delete some first")};
  }
  SnapshotRecord record;
  record.id = newId();
  record.ns = kj::heapString(source.ns);
  record.sandboxId = kj::heapString(source.id);
  record.image = kj::heapString(source.image);
  record.cpus = source.cpus;
  record.memoryMb = source.memoryMb;
  record.diskMb = source.diskMb;
  record.createdAt = currentMillis();
  save(record, Sync::LATER);
  auto id = kj::heapString(record.id);
  auto& kept = records.insert(kj::heapString(id), kj::mv(record)).value;
  tasks.add(finish(kj::heapString(id), sandbox.snapshot(kj::heapString(id))));
  return static_cast<const SnapshotRecord*>(&kept);
}

void Snapshots::change(kj::StringPtr id, kj::FunctionParam<void(SnapshotRecord&)> how) {
  KJ_IF_MAYBE(record, records.find(id)) {
    how(*record);
    KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { save(*record, Sync::LATER); })) {
      logWarning("the state of snapshot ", id, " could not be saved: ", textOf(*e));
    }
  } else {
    boxes.forgetSnapshot(id);  // deleted meanwhile
  }
}

kj::Promise<void> Snapshots::finish(kj::String id, kj::Promise<SnapshotFacts> taken) {
  kj::Maybe<SnapshotFacts> facts;
  kj::String error;
  try {
    facts = co_await taken;
  } catch (kj::Exception& e) {
    error = textOf(e);
  }
  KJ_IF_MAYBE(f, facts) {
    logInfo("snapshot ", id, ": ", f->files, " files, ", f->copied, " of them copied, the sandbox stood still for ",
            f->paused / kj::MICROSECONDS, " us");
    change(id, [&](SnapshotRecord& record) {
      record.state = State::LOCAL_READY;
      record.sizeBytes = f->bytes;
    });
    co_await complete(kj::mv(id));
  } else {
    logError("snapshot ", id, " has failed: ", error);
    change(id, [&](SnapshotRecord& record) {
      record.state = State::FAILED;
      record.error = kj::mv(error);
    });
  }
}

kj::Promise<void> Snapshots::complete(kj::String id) {
  if (records.find(id) == nullptr) co_return;
  kj::Maybe<kj::Exception> failure;
  try {
    co_await boxes.makeDurable(id);
  } catch (kj::Exception& e) {
    failure = kj::mv(e);
  }
  KJ_IF_MAYBE(e, failure) {
    // It can be used as it is; the next server tries again.
    logWarning("snapshot ", id, " may not survive a power failure: ", textOf(*e));
    co_return;
  }
  if (records.find(id) == nullptr) co_return;
  change(id, [](SnapshotRecord& record) { record.state = State::COMPLETED; });
}

kj::Maybe<const SnapshotRecord&> Snapshots::find(kj::StringPtr ns, kj::StringPtr id) {
  KJ_IF_MAYBE(record, records.find(id)) {
    if (record->ns == ns) return *record;
  }
  return nullptr;
}

kj::Array<const SnapshotRecord*> Snapshots::list(kj::StringPtr ns) {
  kj::Vector<const SnapshotRecord*> result;
  for (auto& entry: records) {
    if (entry.value.ns == ns) result.add(&entry.value);
  }
  std::sort(result.begin(), result.end(), [](auto a, auto b) {
    if (a->createdAt != b->createdAt) return a->createdAt > b->createdAt;
    return a->id > b->id;
  });
  return result.releaseAsArray();
}

void Snapshots::remove(kj::StringPtr id) {
  auto kept = kj::heapString(id);
  files.remove(kept);
  records.erase(kept);
  boxes.forgetSnapshot(kept);
}

kj::Maybe<Refusal> Snapshots::restore(SandboxRecord& record) {
  KJ_IF_MAYBE(snapshot, find(record.ns, record.snapshotId)) {
    if (snapshot->state == State::IN_PROGRESS) {
      return Refusal{400, "SNAPSHOT_NOT_READY"_kj, kj::str("snapshot ", snapshot->id, " is still being taken")};
    }
    if (snapshot->state == State::FAILED) {
      return Refusal{400, "SNAPSHOT_FAILED"_kj,
          kj::str("snapshot ", snapshot->id, " has failed: ", snapshot->error)};
    }
    if (record.image.size() == 0) record.image = kj::heapString(snapshot->image);
    if (record.cpus == 0) record.cpus = snapshot->cpus;
    if (record.memoryMb == 0) record.memoryMb = snapshot->memoryMb;
    if (record.diskMb == 0) record.diskMb = snapshot->diskMb;
    if (record.diskMb < snapshot->diskMb) {
      return Refusal{400, "INVALID_REQUEST"_kj,
          kj::str("resources.disk_mb can only grow: snapshot ", snapshot->id, " has ", snapshot->diskMb)};
    }
    return nullptr;
  }
  return Refusal{404, "SNAPSHOT_NOT_FOUND"_kj, kj::str("there is no snapshot ", quote(record.snapshotId))};
}

kj::OneOf<Snapshots::Copying, Refusal> Snapshots::copy(Sandbox& sandbox, unsigned times) {
  if (sandbox.status() != Status::RUNNING) return wrongState("copied", sandbox.record());
  auto id = newId();
  auto copies = kj::refcounted<Copies>();
  auto taken = sandbox.snapshot(kj::heapString(id));
  auto copying = doCopy(kj::addRef(sandbox), kj::mv(id), kj::mv(taken), times, kj::addRef(*copies)).fork();
  auto done = copying.addBranch();
  tasks.add(copying.addBranch());
  return Copying{kj::mv(copies), kj::mv(done)};
}

kj::Promise<void> Snapshots::doCopy(kj::Own<Sandbox> source, kj::String snapshot,
                                    kj::Promise<SnapshotFacts> taken, unsigned times,
                                    kj::Own<Copies> copies) {
  kj::String error;
  try {
    co_await taken;
  } catch (kj::Exception& e) {
    error = textOf(e);
  }
  // Nobody knows of it but the copies, which keep it.
  KJ_DEFER(boxes.forgetSnapshot(snapshot));
  if (error.size() > 0) logError("sandbox ", source->record().id, " could not be copied: ", error);
  for (unsigned i = 0; i < times && !copies->abandoned; i++) {
    if (error.size() == 0 && registry.isFull()) {
      error = kj::str("this machine holds as many sandboxes as it takes");
    }
    if (error.size() > 0) {
      copies->failures.add(kj::heapString(error));
      continue;
    }
    auto record = copyOf(source->record());
    record.name = nullptr;
    record.poolId = nullptr;
    record.errorDetails = nullptr;
    record.snapshotId = kj::heapString(snapshot);
    KJ_IF_MAYBE(e, kj::runCatchingExceptions(
                       [&]() { copies->sandboxes.add(registry.create(kj::mv(record))); })) {
      logError("a copy of sandbox ", source->record().id, " could not be saved: ", textOf(*e));
      copies->failures.add(textOf(*e));
    }
  }
  for (auto& sandbox: copies->sandboxes) co_await sandbox->settled();
}

}  // namespace sandbridge::localcloud
