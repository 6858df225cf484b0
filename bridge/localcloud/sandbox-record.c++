#include "localcloud/sandbox-record.h"

#include "base/json.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

constexpr Status ALL[] = {Status::PENDING,    Status::RUNNING,   Status::SNAPSHOTTING,
                          Status::SUSPENDING, Status::SUSPENDED, Status::TERMINATED};

}  // namespace

void writeRecord(JsonWriter& json, const SandboxRecord& record) {
  json.beginObject()
      .field("id", record.id)
      .field("namespace", record.ns)
      .field("name", record.name)
      .field("status", toWord(record.status))
      .field("image", record.image)
      .field("cpus", record.cpus)
      .field("memory_mb", record.memoryMb)
      .field("disk_mb", record.diskMb)
      .field("timeout_secs", record.timeoutSecs)
      .key("network");
  writeNetworkPolicy(json, record.network);
  writePublicAccess(json, record.access);
  json.key("entrypoint").beginArray();
  for (auto& part: record.entrypoint) json.value(part);
  json.endArray()
      .field("created_at", record.createdAt)
      .field("terminated_at", record.terminatedAt)
      .field("termination_reason", record.terminationReason)
      .field("error_details", record.errorDetails)
      .field("pool_id", record.poolId)
      .field("snapshot_id", record.snapshotId)
      .field("warm", record.warm)
      .endObject();
}

kj::Maybe<SandboxRecord> readRecord(const JsonValue& json) {
  bool good = true;
  auto text = [&](kj::StringPtr key) {
    KJ_IF_MAYBE(value, getString(json, key)) return kj::heapString(*value);
    good = false;
    return kj::String();
  };
  auto number = [&](kj::StringPtr key) -> int64_t {
    KJ_IF_MAYBE(value, getInt(json, key)) return *value;
    good = false;
    return 0;
  };
  auto small = [&](kj::StringPtr key) -> uint32_t {
    auto value = number(key);
    good = good && value >= 0 && value <= UINT32_MAX;
    return static_cast<uint32_t>(value);
  };

  SandboxRecord record;
  record.id = text("id");
  record.ns = text("namespace");
  record.name = text("name");
  auto word = text("status");
  bool known = false;
  for (auto status: ALL) {
    if (word == toWord(status)) {
      record.status = status;
      known = true;
    }
  }
  record.image = text("image");
  record.cpus = getNumber(json, "cpus").orDefault(0);
  record.memoryMb = small("memory_mb");
  record.diskMb = small("disk_mb");
  record.timeoutSecs = small("timeout_secs");
  KJ_IF_MAYBE(network, getMember(json, "network")) {
    auto policy = parseNetworkPolicy(*network);
    if (policy.is<NetworkPolicy>()) {
      record.network = kj::mv(policy.get<NetworkPolicy>());
    } else {
      good = false;
    }
  } else {
    record.network.internet = getBool(json, "internet").orDefault(false);  // of an older version
  }
  auto access = parsePublicAccess(json);
  if (access.is<PublicAccessChange>()) {
    record.access = record.access.with(access.get<PublicAccessChange>());
  } else {
    good = false;
  }
  KJ_IF_MAYBE(list, getArray(json, "entrypoint")) {
    auto parts = kj::heapArrayBuilder<kj::String>(list->Size());
    for (auto& part: list->GetArray()) {
      good = good && part.IsString();
      parts.add(part.IsString() ? kj::heapString(stringOf(part)) : kj::String());
    }
    record.entrypoint = parts.finish();
  }
  record.createdAt = number("created_at");
  record.terminatedAt = number("terminated_at");
  record.terminationReason = text("termination_reason");
  record.errorDetails = text("error_details");
  // Records of older servers have no pools and no snapshots.
  KJ_IF_MAYBE(snapshot, getString(json, "snapshot_id")) record.snapshotId = kj::heapString(*snapshot);
  KJ_IF_MAYBE(pool, getString(json, "pool_id")) record.poolId = kj::heapString(*pool);
  record.warm = getBool(json, "warm").orDefault(false);
  if (good && known && record.ns.size() > 0 && record.cpus > 0) return kj::mv(record);
  return nullptr;
}

kj::StringPtr toWord(Status status) {
  switch (status) {
    case Status::PENDING:
      return "pending"_kj;
    case Status::RUNNING:
      return "running"_kj;
    case Status::SNAPSHOTTING:
      return "snapshotting"_kj;
    case Status::SUSPENDING:
      return "suspending"_kj;
    case Status::SUSPENDED:
      return "suspended"_kj;
    case Status::TERMINATED:
      return "terminated"_kj;
  }
  KJ_UNREACHABLE;
}

SandboxRecord copyOf(const SandboxRecord& record) {
  // By way of the JSON, so that no member can be forgotten.
  JsonWriter json;
  writeRecord(json, record);
  auto text = json.finish();
  return KJ_ASSERT_NONNULL(readRecord(parseJson(text)));
}

RecordStore::Loaded RecordStore::load() {
  Loaded result;
  for (auto& file: files.load()) {
    KJ_IF_MAYBE(text, file.text) {
      auto parsed = tryParseJson(*text);
      KJ_IF_MAYBE(json, parsed) {
        KJ_IF_MAYBE(record, readRecord(*json)) {
          if (record->id == file.id) {
            result.records.add(kj::mv(*record));
            continue;
          }
        }
      }
    }
    result.damaged.add(kj::mv(file.id));
  }
  return result;
}

void RecordStore::save(const SandboxRecord& record, Sync sync) {
  JsonWriter json;
  writeRecord(json, record);
  files.save(record.id, json.finish(), sync);
}

}  // namespace sandbridge::localcloud
