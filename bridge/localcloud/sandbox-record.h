#pragma once
// What the control plane knows of a sandbox, and its file on disk: one JSON file a sandbox, replaced atomically, so that
// names and states survive kill -9 and reboots. Files are named by id, never by anything a client chose.

#include <stdint.h>

#include <kj/array.h>
#include <kj/string.h>
#include <kj/vector.h>

namespace sandbridge::localcloud {

enum class Status { PENDING, RUNNING, SUSPENDING, SUSPENDED, TERMINATED };

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
  bool internet = true;
  kj::Array<kj::String> entrypoint;

  int64_t createdAt = 0;     // ms since the epoch
  int64_t terminatedAt = 0;  // 0: not terminated
  kj::String terminationReason;
  kj::String errorDetails;

  bool isNamed() const { return name.size() > 0; }
};

// 21 lower-case letters and digits, as the service's own ids look.
kj::String newSandboxId();
bool isSandboxId(kj::StringPtr text);

class RecordStore {
 public:
  // Makes `dir` (mode 0700) if need be. Throws when it cannot be used.
  explicit RecordStore(kj::StringPtr dir);

  struct Loaded {
    kj::Vector<SandboxRecord> records;
    // Ids whose file cannot be understood. Their files in the box are still the user's: leave them alone.
    kj::Vector<kj::String> damaged;
  };
  // Everything on disk; leftovers of writes that never finished are removed.
  Loaded load();

  // NOW: durable when it returns (0.3 ms on an idle disk, 20 ms on a busy one, and the loop waits). LATER: the next server
  // finds it even after kill -9, but a power failure within the half minute after it may take it back: enough for a
  // sandbox's start, whose files are not durable either. Throws on a full disk, and then the old record is intact.
  enum class Sync { NOW, LATER };
  void save(const SandboxRecord& record, Sync sync = Sync::NOW);
  void remove(kj::StringPtr id);

 private:
  kj::String dir;

  kj::String pathOf(kj::StringPtr id);
};

}  // namespace sandbridge::localcloud
