#pragma once
// What the control plane knows of a sandbox, and its file on disk: one JSON file a sandbox, replaced atomically, so that
// names and states survive kill -9 and reboots. Files are named by id, never by anything a client chose.

#include "base/json.h"
#include "localcloud/network-policy.h"
#include "localcloud/public-access.h"
#include "localcloud/record-files.h"

#include <stdint.h>

namespace sandbridge::localcloud {

enum class Status { PENDING, RUNNING, SNAPSHOTTING, SUSPENDING, SUSPENDED, TERMINATED };

// The word on the wire and on disk.
kj::StringPtr toWord(Status status);

struct SandboxRecord {
  kj::String id;
  kj::String ns;
  kj::String name;  // empty: ephemeral
  Status status = Status::PENDING;

  kj::String image;
  double cpus = 1;
  uint32_t memoryMb = 1024;
  uint32_t diskMb = 10240;
  uint32_t timeoutSecs = 600;  // as asked for; 0 means the longest possible
  NetworkPolicy network;
  PublicAccess access;
  kj::Array<kj::String> entrypoint;

  int64_t createdAt = 0;     // ms since the epoch
  int64_t terminatedAt = 0;  // 0: not terminated
  kj::String terminationReason;
  kj::String errorDetails;

  kj::String poolId;  // empty: of no pool
  kj::String snapshotId;  // empty: started on no snapshot
  bool warm = false;  // waits in its pool to be claimed; until then no client sees it as a sandbox

  bool isNamed() const { return name.size() > 0; }
};

// The record's one form on disk. Reading gives none for what this program could not have written.
void writeRecord(JsonWriter& json, const SandboxRecord& record);
kj::Maybe<SandboxRecord> readRecord(const JsonValue& json);
SandboxRecord copyOf(const SandboxRecord& record);

class RecordStore {
 public:
  // Makes `dir` (mode 0700) if need be. Throws when it cannot be used.
  explicit RecordStore(kj::StringPtr dir): files(dir) {}

  struct Loaded {
    kj::Vector<SandboxRecord> records;
    // Ids whose file cannot be understood. Their files in the box are still the user's: leave them alone.
    kj::Vector<kj::String> damaged;
  };
  // Everything on disk; leftovers of writes that never finished are removed.
  Loaded load();

  // Throws on a full disk, and then the old record is intact.
  void save(const SandboxRecord& record, Sync sync = Sync::NOW);
  void remove(kj::StringPtr id) { files.remove(id); }

 private:
  RecordFiles files;
};

}  // namespace sandbridge::localcloud
