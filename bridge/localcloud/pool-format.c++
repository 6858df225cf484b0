#include "localcloud/pool-format.h"

#include "base/json.h"
#include "localcloud/wire-format.h"

namespace sandbridge::localcloud {

namespace {

constexpr uint32_t MAX_CONTAINERS = 1000;  // what one machine takes
constexpr uint32_t MAX_DISK_MB = 102400;
// The service says which of its machines holds a container; here there is one.
constexpr kj::StringPtr EXECUTOR = "local"_kj;

Refusal invalid(kj::String text) {
  return {400, "INVALID_REQUEST"_kj, kj::mv(text)};
}

kj::Maybe<Refusal> readCount(const JsonValue& json, kj::StringPtr key, uint32_t min, uint32_t max,
                             kj::Maybe<uint32_t>& target) {
  KJ_IF_MAYBE(value, getMember(json, key)) {
    if (!value->IsUint() || value->GetUint() < min || value->GetUint() > max) {
      return invalid(kj::str(key, " must be a whole number from ", min, " to ", max));
    }
    target = value->GetUint();
  }
  return nullptr;
}

}  // namespace

kj::OneOf<PoolRecord, Refusal> parsePool(kj::ArrayPtr<const char> body, kj::StringPtr ns) {
  // What a sandbox is made of is said in the same words as in a create call.
  auto created = parseCreate(body, ns);
  KJ_IF_MAYBE(refusal, created.tryGet<Refusal>()) return kj::mv(*refusal);
  auto& configuration = created.get<SandboxRecord>();
  if (configuration.isNamed()) return invalid(kj::str("a pool's containers have no name: leave it out"));
  if (configuration.terminationReason.size() > 0) return invalid(kj::mv(configuration.errorDetails));

  auto json = parseJson(body);
  PoolRecord pool;
  KJ_IF_MAYBE(resources, getMember(json, "resources")) {
    // Here under another name than in a create call, and smaller: the official client asks for 1 GB.
    kj::Maybe<uint32_t> disk;
    KJ_IF_MAYBE(r, readCount(*resources, "ephemeral_disk_mb", 1, MAX_DISK_MB, disk)) return kj::mv(*r);
    KJ_IF_MAYBE(mb, disk) configuration.diskMb = *mb;
  }
  KJ_IF_MAYBE(r, readCount(json, "max_containers", 1, MAX_CONTAINERS, pool.maxContainers)) return kj::mv(*r);
  KJ_IF_MAYBE(r, readCount(json, "warm_containers", 0, MAX_CONTAINERS, pool.warmContainers)) return kj::mv(*r);
  if (pool.warmContainers.orDefault(0) > pool.maxContainers.orDefault(MAX_CONTAINERS)) {
    return invalid(kj::str("warm_containers must not be more than max_containers"));
  }
  pool.configuration = kj::mv(configuration);
  return kj::mv(pool);
}

kj::OneOf<bool, Refusal> parseClaim(kj::ArrayPtr<const char> body) {
  if (body.size() == 0) return false;
  auto parsed = tryParseJson(body);
  KJ_IF_MAYBE(json, parsed) {
    if (json->IsObject()) {
      for (auto& member: json->GetObject()) {
        auto name = stringOf(member.name);
        // Nothing that was asked for may be left out silently: the client takes the answer's word for it.
        if (name != "file_systems") return invalid(kj::str("a claim cannot set ", quote(name)));
        if (!member.value.IsArray()) return invalid(kj::str("file_systems must be an array"));
        if (!member.value.Empty()) {
          return Refusal{501, "NOT_IMPLEMENTED"_kj, kj::str("local sandboxes do not have shared file systems")};
        }
      }
      return true;
    }
  }
  return invalid(kj::str("the body must be one JSON object, or nothing"));
}

kj::String formatPoolCreated(const PoolRecord& record) {
  JsonWriter json;
  json.beginObject().field("pool_id", record.id).field("namespace", record.ns()).endObject();
  return json.finish();
}

void writePool(JsonWriter& json, const PoolRecord& record, kj::ArrayPtr<const PoolContainer> containers) {
  auto& made = record.configuration;
  json.beginObject()
      .field("id", record.id)
      .field("namespace", made.ns)
      .field("image", made.image)
      .key("resources")
      .beginObject()
      .field("cpus", made.cpus)
      .field("memory_mb", made.memoryMb)
      .field("ephemeral_disk_mb", made.diskMb)
      .endObject()
      .field("timeout_secs", made.timeoutSecs);
  if (made.entrypoint.size() > 0) {
    json.key("entrypoint").beginArray();
    for (auto& part: made.entrypoint) json.value(part);
    json.endArray();
  }
  KJ_IF_MAYBE(max, record.maxContainers) json.field("max_containers", *max);
  KJ_IF_MAYBE(warm, record.warmContainers) json.field("warm_containers", *warm);
  // As for a sandbox: documented under the one name, read by the official client under the other.
  for (auto policy: {"network", "network_policy"}) {
    json.key(policy);
    writeNetworkPolicy(json, made.network);
  }
  json.key("containers").beginArray();
  for (auto& container: containers) {
    json.beginObject().field("id", container.id).field("state", container.idle ? "Idle" : "Running");
    if (!container.idle) json.field("sandbox_id", container.id);
    json.field("executor_id", EXECUTOR).endObject();
  }
  json.endArray()
      .field("created_at", record.createdAt)
      .field("updated_at", record.updatedAt)
      .endObject();
}

}  // namespace sandbridge::localcloud
