#include "localcloud/logs-api.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "localcloud/query.h"
#include "localcloud/sandboxes-api.h"

#include <string.h>

#include <kj/encoding.h>

namespace sandbridge::localcloud {

namespace {

// Of one answer; nextToken leads on.
constexpr size_t MAX_ENTRIES = 1000;

Refusal invalid(kj::String text) {
  return {400, "INVALID_REQUEST"_kj, kj::mv(text)};
}

struct Query {
  kj::Vector<LogLevel> levels;        // none: all
  kj::Vector<kj::String> processIds;  // none: all
  kj::Maybe<kj::String> after;        // the place of an entry
  kj::Maybe<size_t> head, tail;
  kj::String body;  // that the entry's text has in it
};

kj::OneOf<Query, Refusal> parseLogsQuery(kj::StringPtr text) {
  auto parsed = parseQuery(text);
  KJ_IF_MAYBE(parameters, parsed) {
    Query query;
    for (auto& parameter: *parameters) {
      auto& value = parameter.value;
      if (parameter.name == "level") {
        auto level = parseDecimal(value, 6).orDefault(0);
        if (level == 0) return invalid(kj::str("level must be a number from 1 (trace) to 6 (fatal)"));
        query.levels.add(static_cast<LogLevel>(level));
      } else if (parameter.name == "processId") {
        query.processIds.add(kj::mv(value));
      } else if (parameter.name == "nextToken") {
        if (value.size() == 0) continue;
        auto place = decodeToken(value);
        if (place == nullptr) return invalid(kj::str("nextToken is not one of ours"));
        query.after = kj::mv(place);
      } else if (parameter.name == "head" || parameter.name == "tail") {
        auto count = parseDecimal(value, UINT32_MAX).orDefault(0);
        if (count == 0) return invalid(kj::str(parameter.name, " must be a whole number above 0"));
        (parameter.name == "head" ? query.head : query.tail) = static_cast<size_t>(count);
      } else if (parameter.name == "body") {
        query.body = kj::mv(value);
      }
    }
    if (query.head != nullptr && query.tail != nullptr) {
      return invalid(kj::str("head and tail exclude each other"));
    }
    return kj::mv(query);
  }
  return invalid(kj::str("the query is not well formed"));
}

kj::StringPtr processIdOf(const SandboxLog& log, const LogEntry& entry) {
  return entry.process.map([&](size_t i) -> kj::StringPtr { return log.processes[i].id; }).orDefault("");
}

// Text that names an entry and sorts as the log does.
kj::String placeOf(const SandboxLog& log, const LogEntry& entry) {
  auto padded = [](uint64_t number) {
    auto digits = kj::str(number);
    return kj::str(kj::repeat('0', 20 - digits.size()), digits);
  };
  return kj::str(padded(static_cast<uint64_t>(entry.timestamp)), entry.process == nullptr ? '0' : '1',
                 padded(entry.number), processIdOf(log, entry));
}

bool matches(const SandboxLog& log, const LogEntry& entry, const Query& query) {
  auto isIn = [](auto& list, auto&& value) {
    for (auto& one: list) {
      if (one == value) return true;
    }
    return list.size() == 0;
  };
  return isIn(query.levels, entry.level) && isIn(query.processIds, processIdOf(log, entry)) &&
         memmem(entry.body.begin(), entry.body.size(), query.body.begin(), query.body.size()) != nullptr;
}

uint64_t fnv(kj::StringPtr text, uint64_t hash) {
  for (char c: text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// The same entry has the same one in every answer.
kj::String uuidOf(kj::StringPtr sandbox, kj::StringPtr place) {
  auto text = kj::str(sandbox, ' ', place);
  uint64_t halves[] = {fnv(text, 0xcbf29ce484222325), fnv(text, 0x84222325cbf29ce4)};
  kj::byte bytes[16];
  memcpy(bytes, halves, sizeof bytes);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;  // version 8: of our own making
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  auto hex = kj::encodeHex(bytes);
  return kj::str(hex.slice(0, 8), '-', hex.slice(8, 12), '-', hex.slice(12, 16), '-', hex.slice(16, 20), '-',
                 hex.slice(20, 32));
}

void writeEntry(JsonWriter& json, const SandboxRecord& sandbox, const SandboxLog& log, const LogEntry& entry) {
  json.beginObject()
      .field("timestamp", entry.timestamp)
      .field("uuid", uuidOf(sandbox.id, placeOf(log, entry)))
      .field("namespace", sandbox.ns)
      .field("application", "")
      .field("sandboxId", sandbox.id)
      .field("level", static_cast<int>(entry.level))
      .field("body", entry.body)
      // The command-line client prints these instead of the body when there are any.
      .field("logAttributes", "{}");
  json.key("resourceAttributes").beginArray();
  auto attribute = [&](kj::StringPtr name, kj::StringPtr value) {
    if (value.size() > 0) json.beginArray().value(name).value(value).endArray();
  };
  KJ_IF_MAYBE(index, entry.process) {
    auto& process = log.processes[*index];
    attribute("process.id", process.id);
    attribute("process.pid", process.pid);
    attribute("process.command", process.command);
    attribute("process.managed.name", process.name);
    attribute("stream", entry.stream);
  }
  json.endArray();
  for (auto list: {"allocations", "functionRuns"}) json.key(list).beginArray().endArray();
  json.endObject();
}

kj::String formatLogs(const SandboxRecord& sandbox, const SandboxLog& log, const Query& query) {
  kj::Vector<const LogEntry*> found;
  for (auto& entry: log.entries) {
    if (!matches(log, entry, query)) continue;
    KJ_IF_MAYBE(after, query.after) {
      if (placeOf(log, entry) <= *after) continue;
    }
    found.add(&entry);
  }
  size_t begin = 0, end = found.size();
  KJ_IF_MAYBE(tail, query.tail) {
    begin = end - kj::min(end, kj::min(*tail, MAX_ENTRIES));
  } else {
    end = kj::min(end, kj::min(query.head.orDefault(MAX_ENTRIES), MAX_ENTRIES));
  }
  JsonWriter json;
  json.beginObject().key("logs").beginArray();
  for (auto entry: found.slice(begin, end)) writeEntry(json, sandbox, log, *entry);
  json.endArray();
  if (begin < end && end < found.size()) {
    json.field("nextToken", kj::encodeBase64Url(placeOf(log, *found[end - 1]).asBytes()));
  }
  json.endObject();
  return json.finish();
}

kj::String formatProcesses(const SandboxLog& log) {
  struct Seen {
    int64_t first = 0, last = 0;
    uint64_t count = 0;
  };
  auto seen = kj::heapArray<Seen>(log.processes.size());
  for (auto& entry: log.entries) {
    KJ_IF_MAYBE(index, entry.process) {
      auto& one = seen[*index];
      if (one.count++ == 0) one.first = entry.timestamp;
      one.last = entry.timestamp;
    }
  }
  JsonWriter json;
  json.beginObject().key("processes").beginArray();
  for (size_t i = 0; i < seen.size(); i++) {
    auto& process = log.processes[i];
    json.beginObject()
        .field("processId", process.id)
        .field("processPid", process.pid)
        .field("processCommand", process.command)
        .field("processManagedId", "")
        .field("processManagedName", process.name)
        .field("firstSeen", seen[i].first)
        .field("lastSeen", seen[i].last)
        .field("logCount", seen[i].count)
        .endObject();
  }
  json.endArray().endObject();
  return json.finish();
}

}  // namespace

kj::Promise<void> LogsApi::serve(ApiCall call) {
  auto found = registry.find(call.ns, call.path[0]);
  KJ_IF_MAYBE(sandbox, found) {
    if (call.path.size() > 2) return call.refusePath();
    if (call.method != kj::HttpMethod::GET) return call.refuseMethod();
    auto& record = (*sandbox)->record();
    auto query = parseLogsQuery(call.query);
    KJ_IF_MAYBE(refusal, query.tryGet<Refusal>()) return call.refuse(kj::mv(*refusal));
    SandboxLog log;
    KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { log = logs.read(record.id); })) {
      logError("the log of sandbox ", record.id, " could not be read: ", textOf(*e));
      return call.refuse({500, "INTERNAL_ERROR"_kj, kj::str("the log could not be read: ", textOf(*e))});
    }
    return call.reply(200, call.path[1] == "logs" ? formatLogs(record, log, query.get<Query>())
                                                  : formatProcesses(log));
  }
  return call.refuse(noSuchSandbox(call.path[0]));
}

}  // namespace sandbridge::localcloud
