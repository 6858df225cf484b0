#include "localcloud/pool-record.h"

#include "base/log.h"

namespace sandbridge::localcloud {

namespace {

void optionalField(JsonWriter& json, kj::StringPtr key, const kj::Maybe<uint32_t>& value) {
  KJ_IF_MAYBE(number, value) json.field(key, *number);
}

kj::Maybe<uint32_t> optionalNumber(const JsonValue& json, kj::StringPtr key) {
  KJ_IF_MAYBE(value, getInt(json, key)) {
    if (*value >= 0 && *value <= UINT32_MAX) return static_cast<uint32_t>(*value);
  }
  return nullptr;
}

kj::Maybe<PoolRecord> read(kj::StringPtr text, kj::StringPtr id) {
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE(json, parsed) {
    KJ_IF_MAYBE(configuration, getMember(*json, "configuration")) {
      KJ_IF_MAYBE(record, readRecord(*configuration)) {
        PoolRecord pool;
        pool.id = getString(*json, "id").map([](kj::StringPtr s) { return kj::str(s); }).orDefault({});
        pool.configuration = kj::mv(*record);
        pool.maxContainers = optionalNumber(*json, "max_containers");
        pool.warmContainers = optionalNumber(*json, "warm_containers");
        pool.createdAt = getInt(*json, "created_at").orDefault(0);
        pool.updatedAt = getInt(*json, "updated_at").orDefault(0);
        if (pool.id == id) return kj::mv(pool);
      }
    }
  }
  return nullptr;
}

}  // namespace

kj::Vector<PoolRecord> PoolStore::load() {
  kj::Vector<PoolRecord> result;
  for (auto& file: files.load()) {
    KJ_IF_MAYBE(text, file.text) {
      KJ_IF_MAYBE(record, read(*text, file.id)) {
        result.add(kj::mv(*record));
        continue;
      }
    }
    logError("the record of pool ", file.id, " is damaged; the pool is left out");
  }
  return result;
}

void PoolStore::save(const PoolRecord& record) {
  JsonWriter json;
  json.beginObject().field("id", record.id);
  optionalField(json, "max_containers", record.maxContainers);
  optionalField(json, "warm_containers", record.warmContainers);
  json.field("created_at", record.createdAt).field("updated_at", record.updatedAt).key("configuration");
  writeRecord(json, record.configuration);
  json.endObject();
  files.save(record.id, json.finish(), Sync::NOW);
}

}  // namespace sandbridge::localcloud
