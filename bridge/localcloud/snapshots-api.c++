#include "localcloud/snapshots-api.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "localcloud/sandboxes-api.h"
#include "localcloud/wire-format.h"

namespace sandbridge::localcloud {

namespace {

// Each is a container of its own.
constexpr unsigned MAX_COPIES = 64;

void writeSnapshot(JsonWriter& json, const SnapshotRecord& record) {
  using State = SnapshotRecord::State;
  json.beginObject()
      .field("id", record.id)
      .field("namespace", record.ns)
      .field("sandbox_id", record.sandboxId)
      .field("status", toWord(record.state))
      .field("base_image", record.image)
      .field("snapshot_type", "filesystem")
      .field("created_at", record.createdAt);
  if (record.error.size() > 0) json.field("error", record.error);
  if (record.state == State::LOCAL_READY || record.state == State::COMPLETED) {
    json.field("size_bytes", record.sizeBytes)
        .field("rootfs_disk_bytes", static_cast<uint64_t>(record.diskMb) << 20);
  }
  // Where it is durable. Nothing but its id is needed to use it.
  if (record.state == State::COMPLETED) json.field("snapshot_uri", kj::str("local://snapshots/", record.id));
  json.endObject();
}

kj::Maybe<Refusal> checkType(kj::ArrayPtr<const char> body) {
  if (body.size() == 0) return nullptr;
  auto parsed = tryParseJson(body);
  KJ_IF_MAYBE(json, parsed) {
    if (!json->IsObject()) return Refusal{400, "INVALID_REQUEST"_kj, kj::str("the body must be one JSON object")};
    KJ_IF_MAYBE(type, getMember(*json, "snapshot_type")) {
      if (type->IsString() && stringOf(*type) == "filesystem") return nullptr;
      if (type->IsString() && stringOf(*type) == "memory") {
        return Refusal{400, "UNSUPPORTED_SNAPSHOT_TYPE"_kj,
            kj::str("local sandboxes cannot keep memory and processes; take a filesystem snapshot")};
      }
      return Refusal{400, "INVALID_REQUEST"_kj, kj::str("snapshot_type is filesystem or memory")};
    }
    return nullptr;
  }
  return Refusal{400, "INVALID_REQUEST"_kj, kj::str("the body must be one JSON object")};
}

// `times` of the query.
kj::OneOf<unsigned, Refusal> parseTimes(kj::StringPtr query) {
  unsigned times = 1;
  size_t begin = 0;
  for (size_t i = 0; i <= query.size(); i++) {
    if (i < query.size() && query[i] != '&') continue;
    auto part = query.slice(begin, i);
    begin = i + 1;
    constexpr kj::StringPtr KEY = "times="_kj;
    if (part.size() < KEY.size() || kj::heapString(part.slice(0, KEY.size())) != KEY) continue;
    times = static_cast<unsigned>(parseDecimal(part.slice(KEY.size(), part.size()), MAX_COPIES).orDefault(0));
    if (times == 0) {
      return Refusal{400, "INVALID_REQUEST"_kj, kj::str("times must be a whole number from 1 to ", MAX_COPIES)};
    }
  }
  return times;
}

kj::String copiesJson(kj::StringPtr source, const Snapshots::Copies& copies, kj::StringPtr url) {
  kj::Vector<kj::String> all;
  for (auto& sandbox: copies.sandboxes) {
    auto& record = sandbox->record();
    auto created = formatCreated(record, url, false);
    if (record.errorDetails.size() == 0) {
      all.add(kj::mv(created));
      continue;
    }
    // Of a copy, clients look at `reason`.
    JsonWriter reason;
    reason.value(record.errorDetails);
    all.add(kj::str(created.slice(0, created.size() - 1), ",\"reason\":", reason.finish(), '}'));
  }
  for (auto& failure: copies.failures) {
    JsonWriter json;
    json.beginObject().field("sandbox_id", newId()).field("status", "failed").field("reason", failure).endObject();
    all.add(json.finish());
  }
  return kj::str("{\"source_sandbox_id\":\"", source, "\",\"sandboxes\":[", kj::strArray(all, ","), "]}");
}

}  // namespace

kj::Promise<void> SnapshotsApi::serve(ApiCall call) {
  auto& path = call.path;
  if (path.size() == 0) {
    if (call.method != kj::HttpMethod::GET) return call.refuseMethod();
    JsonWriter json;
    json.beginObject().key("snapshots").beginArray();
    for (auto record: snapshots.list(call.ns)) writeSnapshot(json, *record);
    json.endArray().endObject();
    return call.reply(200, json.finish());
  }
  if (path.size() > 1) return call.refusePath();
  KJ_IF_MAYBE(record, snapshots.find(call.ns, path[0])) {
    if (call.method == kj::HttpMethod::GET) {
      JsonWriter json;
      writeSnapshot(json, *record);
      return call.reply(200, json.finish());
    }
    if (call.method != kj::HttpMethod::DELETE) return call.refuseMethod();
    kj::String failure;
    KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { snapshots.remove(path[0]); })) {
      logError("snapshot ", path[0], " could not be removed: ", textOf(*e));
      failure = textOf(*e);
    }
    if (failure.size() == 0) return call.reply(200, kj::str("{}"));
    return call.refuse({507, "STORAGE"_kj, kj::str("the snapshot could not be removed: ", failure)});
  }
  return call.refuse({404, "SNAPSHOT_NOT_FOUND"_kj, kj::str("there is no snapshot ", quote(path[0]))});
}

kj::Promise<void> SnapshotsApi::serveBelowSandbox(ApiCall call) {
  auto found = registry.find(call.ns, call.path[0]);
  KJ_IF_MAYBE(sandbox, found) {
    if (call.path.size() > 2) return call.refusePath();
    if (call.method != kj::HttpMethod::POST) return call.refuseMethod();
    bool copies = call.path[1] == "copy";
    return copies ? copy(kj::mv(call), kj::mv(*sandbox)) : take(kj::mv(call), kj::mv(*sandbox));
  }
  return call.refuse(noSuchSandbox(call.path[0]));
}

kj::Promise<void> SnapshotsApi::take(ApiCall call, kj::Own<Sandbox> sandbox) {
  auto read = co_await call.readBody(registry.getTimer());
  KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  KJ_IF_MAYBE(refusal, checkType(read.get<kj::Array<kj::byte>>().asChars())) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  kj::OneOf<const SnapshotRecord*, Refusal> taken;
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { taken = snapshots.take(*sandbox); })) {
    logError("a snapshot could not be saved: ", textOf(*e));
    taken = Refusal{507, "STORAGE"_kj, kj::str("the snapshot could not be written to disk: ", textOf(*e))};
  }
  KJ_IF_MAYBE(refusal, taken.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  JsonWriter json;
  json.beginObject()
      .field("snapshot_id", taken.get<const SnapshotRecord*>()->id)
      .field("status", "in_progress")
      .endObject();
  co_await call.reply(202, json.finish());
}

kj::Promise<void> SnapshotsApi::copy(ApiCall call, kj::Own<Sandbox> sandbox) {
  auto times = parseTimes(call.query);
  KJ_IF_MAYBE(refusal, times.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  auto begun = snapshots.copy(*sandbox, times.get<unsigned>());
  KJ_IF_MAYBE(refusal, begun.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  auto& copying = begun.get<Snapshots::Copying>();
  auto& timer = registry.getTimer();
  auto late = timer.atTime(startDeadline(call, timer)).then([]() { return true; });
  bool timedOut = co_await copying.done.then([]() { return false; }).exclusiveJoin(kj::mv(late));
  auto& copies = *copying.copies;
  // Those that start late are in the answer; what nobody would hear of is not begun any more.
  if (timedOut) copies.abandoned = true;
  bool all = copies.failures.size() == 0;
  for (auto& one: copies.sandboxes) all = all && one->status() == Status::RUNNING;
  auto json = copiesJson(sandbox->record().id, copies, url);
  co_await call.reply(timedOut ? 504 : all ? 200 : 422, kj::mv(json));
}

}  // namespace sandbridge::localcloud
