#include "localcloud/wire-format.h"

#include "base/json.h"
#include "localcloud/query.h"

#include <kj/debug.h>
#include <kj/encoding.h>

namespace sandbridge::localcloud {

namespace {

constexpr size_t MAX_NAME = 63;  // a DNS label
constexpr size_t PAGE_LIMIT = 100;
constexpr double MAX_CPUS = 64;
constexpr uint32_t MIN_MEMORY_MB = 64;
constexpr uint32_t MAX_MEMORY_MB = 1 << 20;
// As documented by TensorLake.
constexpr uint32_t MIN_DISK_MB = 10240, MAX_DISK_MB = 102400;
constexpr uint32_t MAX_TIMEOUT_SECS = 86400;
constexpr kj::StringPtr DEFAULT_IMAGE = "tensorlake/ubuntu-minimal"_kj;
constexpr kj::StringPtr IMAGE_PREFIX = "tensorlake/"_kj;
constexpr size_t MAX_ENTRYPOINT_PARTS = 1000;
// Sandboxes do not know who asks; a hint only has to be there for clients to pass it on.
constexpr kj::StringPtr ROUTING_HINT = "local"_kj;

Refusal invalid(kj::String text) {
  return {400, "INVALID_REQUEST"_kj, kj::mv(text)};
}

Refusal notHere(kj::StringPtr what) {
  return {501, "NOT_IMPLEMENTED"_kj, kj::str("local sandboxes do not have ", what)};
}

kj::Maybe<Refusal> parseObject(kj::ArrayPtr<const char> text, JsonDocument& json) {
  auto parsed = tryParseJson(text);
  KJ_IF_MAYBE(document, parsed) {
    if (document->IsObject()) {
      json = kj::mv(*document);
      return nullptr;
    }
  }
  return invalid(kj::str("the body must be one JSON object"));
}

// Absent and null are the same to all clients of this API.
const JsonValue* member(const JsonValue& object, kj::StringPtr key) {
  KJ_IF_MAYBE(value, getMember(object, key)) return value;
  return nullptr;
}

bool isEmptyArray(const JsonValue& value) { return value.IsArray() && value.Empty(); }

bool hasNul(kj::StringPtr text) { return text.findFirst('\0') != nullptr; }

kj::Maybe<Refusal> readUint(const JsonValue& object, kj::StringPtr key, uint32_t min, uint32_t max,
                            uint32_t& target) {
  auto value = member(object, key);
  if (value == nullptr) return nullptr;
  if (!value->IsUint() || value->GetUint() < min || value->GetUint() > max) {
    return invalid(kj::str(key, " must be a whole number from ", min, " to ", max));
  }
  target = value->GetUint();
  return nullptr;
}

kj::Maybe<Refusal> readResources(const JsonValue& json, SandboxRecord& record) {
  auto resources = member(json, "resources");
  if (resources == nullptr) return nullptr;
  if (!resources->IsObject()) return invalid(kj::str("resources must be an object"));
  if (auto cpus = member(*resources, "cpus")) {
    if (!cpus->IsNumber() || !(cpus->GetDouble() > 0) || cpus->GetDouble() > MAX_CPUS) {
      return invalid(kj::str("resources.cpus must be a number above 0 and up to ", MAX_CPUS));
    }
    record.cpus = cpus->GetDouble();
  }
  KJ_IF_MAYBE(r, readUint(*resources, "memory_mb", MIN_MEMORY_MB, MAX_MEMORY_MB, record.memoryMb)) {
    return kj::mv(*r);
  }
  KJ_IF_MAYBE(r, readUint(*resources, "disk_mb", MIN_DISK_MB, MAX_DISK_MB, record.diskMb)) {
    return kj::mv(*r);
  }
  if (auto gpus = member(*resources, "gpus")) {
    if (!isEmptyArray(*gpus)) return notHere("GPUs");
  }
  return nullptr;
}

kj::Maybe<Refusal> readNetwork(const JsonValue& json, SandboxRecord& record) {
  if (auto network = member(json, "network")) {
    auto policy = parseNetworkPolicy(*network);
    KJ_IF_MAYBE(r, policy.tryGet<Refusal>()) return kj::mv(*r);
    record.network = kj::mv(policy.get<NetworkPolicy>());
    return refuseNetworkPolicy(record.network);
  }
  return nullptr;
}

kj::Maybe<Refusal> readPublicAccess(const JsonValue& json, SandboxRecord& record) {
  auto access = parsePublicAccess(json);
  KJ_IF_MAYBE(r, access.tryGet<Refusal>()) return kj::mv(*r);
  record.access = record.access.with(access.get<PublicAccessChange>());
  return nullptr;
}

kj::Maybe<Refusal> readEntrypoint(const JsonValue& json, SandboxRecord& record) {
  auto list = member(json, "entrypoint");
  if (list == nullptr) return nullptr;
  if (!list->IsArray() || list->Size() > MAX_ENTRYPOINT_PARTS) {
    return invalid(kj::str("entrypoint must be an array of at most ", MAX_ENTRYPOINT_PARTS, " strings"));
  }
  auto parts = kj::heapArrayBuilder<kj::String>(list->Size());
  for (auto& part: list->GetArray()) {
    if (!part.IsString() || hasNul(stringOf(part))) {
      return invalid(kj::str("entrypoint must be an array of strings without NUL"));
    }
    parts.add(kj::heapString(stringOf(part)));
  }
  record.entrypoint = parts.finish();
  return nullptr;
}

void fieldIfAny(JsonWriter& json, kj::StringPtr key, kj::StringPtr value) {
  if (value.size() > 0) json.field(key, value);
}

// How the sandbox is reached: its API, and its ports as {port}-{id or name}. before the host of the ingress.
void writeAddresses(JsonWriter& json, kj::StringPtr url) {
  auto port = KJ_ASSERT_NONNULL(url.findLast(':'));
  json.field("sandbox_url", url)
      .field("routing_hint", ROUTING_HINT)
      .field("ingress_endpoint", kj::str("http://localhost", url.slice(port)));
}

void writeInfo(JsonWriter& json, const SandboxRecord& record, kj::StringPtr url, Shown shown) {
  json.beginObject().field("id", record.id).field("namespace", record.ns);
  fieldIfAny(json, "name", record.name);
  json.field("status", toWord(record.status)).field("image", record.image);
  json.key("resources")
      .beginObject()
      .field("cpus", record.cpus)
      .field("memory_mb", record.memoryMb)
      .field("disk_mb", record.diskMb)
      .field("ephemeral_disk_mb", record.diskMb)
      .endObject();
  json.field("timeout_secs", record.timeoutSecs);
  fieldIfAny(json, "pool_id", record.poolId);
  if (record.entrypoint.size() > 0) {
    json.key("entrypoint").beginArray();
    for (auto& part: record.entrypoint) json.value(part);
    json.endArray();
  }
  json.field("created_at", record.createdAt);
  if (record.terminatedAt != 0) json.field("terminated_at", record.terminatedAt);
  if (shown == Shown::ARCHIVED) json.field("archived_at", record.terminatedAt);
  fieldIfAny(json, "termination_reason", record.terminationReason);
  fieldIfAny(json, "error_details", record.errorDetails);
  writeAddresses(json, url);
  writePublicAccess(json, record.access);
  // Never null: the official client takes that for a broken answer.
  json.key("file_systems").beginArray().endArray();
  // The documentation says network_policy, the official client reads network.
  for (auto policy: {"network", "network_policy"}) {
    json.key(policy);
    writeNetworkPolicy(json, record.network);
  }
  json.endObject();
}

// URL-safe, so that a cursor survives clients that do not encode it.
kj::String encodeCursor(kj::StringPtr key) { return kj::encodeBase64Url(key.asBytes()); }

kj::Maybe<kj::String> decodeCursor(kj::StringPtr cursor) {
  auto token = decodeToken(cursor);
  KJ_IF_MAYBE(key, token) {
    // Sixteen digits, a colon, an id: what sortKey makes.
    if (key->size() != 16 + 1 + 21 || (*key)[16] != ':' || !isId(key->slice(17))) return nullptr;
    for (char c: key->slice(0, 16)) {
      if (c < '0' || c > '9') return nullptr;
    }
  }
  return token;
}

}  // namespace

kj::Maybe<Refusal> checkName(kj::StringPtr name) {
  bool good = name.size() > 0 && name.size() <= MAX_NAME && name[0] != '-' && name[name.size() - 1] != '-';
  for (char c: name) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
  }
  if (good) return nullptr;
  return invalid(kj::str("a sandbox's name has 1 to ", MAX_NAME,
                         " lower-case letters, digits and inner hyphens, not ", quote(name)));
}

kj::OneOf<SandboxRecord, Refusal> parseCreate(kj::ArrayPtr<const char> body, kj::StringPtr ns) {
  JsonDocument json;
  KJ_IF_MAYBE(r, parseObject(body, json)) return kj::mv(*r);

  SandboxRecord record;
  record.ns = kj::heapString(ns);
  record.image = kj::heapString(DEFAULT_IMAGE);
  if (auto snapshot = member(json, "snapshot_id")) {
    if (!snapshot->IsString() || stringOf(*snapshot).size() == 0) {
      return invalid(kj::str("snapshot_id must be the id of a snapshot"));
    }
    record.snapshotId = kj::heapString(stringOf(*snapshot));
    // Left to the snapshot, where the creator does not say.
    record.image = nullptr;
    record.cpus = 0;
    record.memoryMb = 0;
    record.diskMb = 0;
  }
  if (auto name = member(json, "name")) {
    if (!name->IsString()) return invalid(kj::str("name must be a string"));
    KJ_IF_MAYBE(r, checkName(stringOf(*name))) return kj::mv(*r);
    record.name = kj::heapString(stringOf(*name));
  }
  if (auto image = member(json, "image")) {
    if (!image->IsString() || stringOf(*image).size() == 0 || stringOf(*image).size() > 512 ||
        hasNul(stringOf(*image))) {
      return invalid(kj::str("image must be the name of an image"));
    }
    record.image = kj::heapString(stringOf(*image));
  }
  for (auto step: {readResources, readNetwork, readPublicAccess, readEntrypoint}) {
    KJ_IF_MAYBE(r, step(json, record)) return kj::mv(*r);
  }
  KJ_IF_MAYBE(r, readUint(json, "timeout_secs", 0, MAX_TIMEOUT_SECS, record.timeoutSecs)) return kj::mv(*r);
  if (member(json, "template_id")) return notHere("templates");
  if (auto mounts = member(json, "file_systems")) {
    if (!isEmptyArray(*mounts)) return notHere("shared file systems");
  }
  if (auto secrets = member(json, "secret_names")) {
    if (!isEmptyArray(*secrets)) return notHere("stored secrets");
  }
  if (record.image.size() > 0 && !record.image.startsWith(IMAGE_PREFIX)) {
    record.terminationReason = kj::str("ImageNotFound");
    record.errorDetails = kj::str("local sandboxes run on this machine's own system; there is no image ",
                                  quote(record.image), ". Leave the image out or use ", DEFAULT_IMAGE);
  }
  return kj::mv(record);
}

kj::OneOf<SandboxUpdate, Refusal> parseUpdate(kj::ArrayPtr<const char> body) {
  JsonDocument json;
  KJ_IF_MAYBE(r, parseObject(body, json)) return kj::mv(*r);
  SandboxUpdate update;
  if (auto name = member(json, "name")) {
    if (!name->IsString()) return invalid(kj::str("name must be a string"));
    KJ_IF_MAYBE(r, checkName(stringOf(*name))) return kj::mv(*r);
    update.name = kj::heapString(stringOf(*name));
  }
  auto access = parsePublicAccess(json);
  KJ_IF_MAYBE(r, access.tryGet<Refusal>()) return kj::mv(*r);
  update.access = kj::mv(access.get<PublicAccessChange>());
  // Absent, null and an object are three things here: keep, clear, replace.
  auto network = json.FindMember("network");
  if (network != json.MemberEnd()) {
    auto policy = network->value.IsNull() ? kj::OneOf<NetworkPolicy, Refusal>(NetworkPolicy{})
                                          : parseNetworkPolicy(network->value);
    KJ_IF_MAYBE(r, policy.tryGet<Refusal>()) return kj::mv(*r);
    KJ_IF_MAYBE(r, refuseNetworkPolicy(policy.get<NetworkPolicy>())) return kj::mv(*r);
    update.network = kj::mv(policy.get<NetworkPolicy>());
  }
  return kj::mv(update);
}

kj::String formatCreated(const SandboxRecord& record, kj::StringPtr url, bool timedOut, bool confirm) {
  JsonWriter json;
  // `sandbox_id` here and `id` in SandboxInfo, never both: that is a duplicate field to the official client.
  json.beginObject()
      .field("sandbox_id", record.id)
      .field("status", timedOut ? "timeout"_kj : toWord(record.status));
  fieldIfAny(json, "name", record.name);
  writeAddresses(json, url);
  fieldIfAny(json, "termination_reason", record.terminationReason);
  fieldIfAny(json, "error_details", record.errorDetails);
  if (confirm) json.field("claim_configuration_applied", true);
  json.endObject();
  return json.finish();
}

kj::String formatInfo(const SandboxRecord& record, kj::StringPtr url, Shown shown) {
  JsonWriter json;
  writeInfo(json, record, url, shown);
  return json.finish();
}

kj::OneOf<Page, Refusal> parseListQuery(kj::StringPtr query) {
  auto parsed = parseQuery(query);
  if (parsed == nullptr) return invalid(kj::str("the query is not well formed"));
  Page page;
  for (auto& parameter: KJ_ASSERT_NONNULL(parsed)) {
    auto& key = parameter.name;
    auto& value = parameter.value;
    if (key == "limit") {
      page.limit = kj::min(parseDecimal(value, UINT32_MAX).orDefault(0), PAGE_LIMIT);
      if (page.limit == 0) return invalid(kj::str("limit must be a whole number from 1 to ", PAGE_LIMIT));
    } else if (key == "cursor") {
      if (value.size() == 0) continue;
      KJ_IF_MAYBE(cursor, decodeCursor(value)) {
        page.cursor = kj::mv(*cursor);
      } else {
        return invalid(kj::str("the cursor is not one of ours"));
      }
    } else if (key == "direction") {
      page.backward = value == "backward";
      if (!page.backward && value != "forward") return invalid(kj::str("direction is forward or backward"));
    } else if (key == "status") {
      if (value != "running") return invalid(kj::str("the only status to filter by is running"));
      page.onlyRunning = true;
    }
  }
  return kj::mv(page);
}

kj::String sortKey(const SandboxRecord& record) {
  auto digits = kj::str(record.createdAt);
  auto key = kj::heapString(16 - kj::min(size_t(16), digits.size()));
  for (char& c: key) c = '0';
  return kj::str(key, digits, ':', record.id);
}

kj::String formatList(kj::ArrayPtr<const SandboxRecord* const> records, const Page& page,
                      kj::StringPtr url, Shown shown) {
  kj::Vector<const SandboxRecord*> matching;
  for (auto record: records) {
    if (!page.onlyRunning || record->status == Status::RUNNING) matching.add(record);
  }
  // Newest first: [0, border) are newer than the cursor. The cursor's own item is on the page it came from.
  size_t begin = 0;
  size_t end = matching.size();
  KJ_IF_MAYBE(cursor, page.cursor) {
    if (page.backward) {
      end = 0;
      while (end < matching.size() && sortKey(*matching[end]) > *cursor) end++;
      begin = end > page.limit ? end - page.limit : 0;
    } else {
      while (begin < matching.size() && sortKey(*matching[begin]) >= *cursor) begin++;
    }
  } else if (page.backward) {
    begin = end > page.limit ? end - page.limit : 0;  // the last page
  }
  end = kj::min(end, begin + page.limit);

  JsonWriter json;
  json.beginObject().key("sandboxes").beginArray();
  for (auto record: matching.slice(begin, end)) writeInfo(json, *record, url, shown);
  json.endArray();
  if (begin < end) {
    if (begin > 0) json.field("prev_cursor", encodeCursor(sortKey(*matching[begin])));
    if (end < matching.size()) json.field("next_cursor", encodeCursor(sortKey(*matching[end - 1])));
  }
  json.endObject();
  return json.finish();
}

}  // namespace sandbridge::localcloud
