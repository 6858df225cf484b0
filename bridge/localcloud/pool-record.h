#pragma once
// What a pool is made of, and its file on disk.

#include "localcloud/sandbox-record.h"

namespace sandbridge::localcloud {

struct PoolRecord {
  kj::String id;
  // What its containers are made of; also holds the pool's namespace. Not a sandbox: no id, no times.
  SandboxRecord configuration;
  kj::Maybe<uint32_t> maxContainers;  // none: as many as the machine takes
  kj::Maybe<uint32_t> warmContainers;
  int64_t createdAt = 0;  // ms since the epoch
  int64_t updatedAt = 0;

  kj::StringPtr ns() const { return configuration.ns; }
};

class PoolStore {
 public:
  // Makes `dir` (mode 0700) if need be. Throws when it cannot be used.
  explicit PoolStore(kj::StringPtr dir): files(dir) {}

  // Those that cannot be understood are logged and left alone.
  kj::Vector<PoolRecord> load();

  // Durable when it returns. Throws on a full disk, and then the old record is intact.
  void save(const PoolRecord& record);
  void remove(kj::StringPtr id) { files.remove(id); }

 private:
  RecordFiles files;
};

}  // namespace sandbridge::localcloud
