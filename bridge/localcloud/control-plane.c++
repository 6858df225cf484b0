#include "localcloud/control-plane.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "localcloud/wire-format.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

constexpr uint64_t MAX_BODY = 1 << 20;
// Without a client's own limit: what the official client sends.
constexpr kj::Duration CREATE_PATIENCE = 300 * kj::SECONDS;
constexpr kj::Duration DELETE_PATIENCE = 60 * kj::SECONDS;
constexpr kj::Duration BODY_PATIENCE = 60 * kj::SECONDS;

Refusal methodNotAllowed(kj::HttpMethod method) {
  return {405, "METHOD_NOT_ALLOWED"_kj, kj::str(method, " does not work on this path")};
}

Refusal notHere(kj::StringPtr what) {
  return {501, "NOT_IMPLEMENTED"_kj, kj::str("local sandboxes do not have ", what)};
}

Refusal noSuchSandbox(kj::StringPtr idOrName) {
  return {404, "SANDBOX_NOT_FOUND"_kj, kj::str("there is no sandbox ", quote(idOrName))};
}

bool isNamespace(kj::StringPtr text) {
  if (text.size() == 0 || text.size() > 64) return false;
  for (char c: text) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
          c == '_')) {
      return false;
    }
  }
  return true;
}

// Parts of the API beside the sandboxes themselves, and what they are called in the refusal.
kj::Maybe<kj::StringPtr> otherPart(kj::StringPtr word) {
  if (word == "snapshots") return "snapshots"_kj;
  if (word == "sandbox-pools") return "pools"_kj;
  if (word == "archived-sandboxes") return "an archive"_kj;
  if (word == "snapshot" || word == "copy") return "snapshots and copies"_kj;
  if (word == "file_systems") return "shared file systems"_kj;
  if (word == "logs" || word == "processes") return "persisted logs"_kj;
  return nullptr;
}

}  // namespace

ControlPlane::ControlPlane(const kj::HttpHeaderTable& table, Registry& registry, kj::StringPtr url)
    : table(table), registry(registry), url(url) {}

kj::Promise<void> ControlPlane::serve(Call call, kj::AsyncInputStream& body,
                                      kj::HttpService::Response& response) {
  auto& path = call.path;
  auto at = [&](size_t i) -> kj::StringPtr { return i < path.size() ? path[i].asPtr() : ""_kj; };

  if (at(0) == "platform") {
    if (path.size() == 4 && at(1) == "v1" && at(2) == "keys" && at(3) == "introspect") {
      if (call.method != kj::HttpMethod::POST) {
        return replyError(response, table, methodNotAllowed(call.method));
      }
      return replyJson(response, table, 200,
                       kj::str(R"({"id":"local","organizationId":"local","projectId":"local"})"));
    }
  } else {
    kj::String ns = kj::str("default");
    size_t skip = 0;
    if (at(0) == "v1" && at(1) == "namespaces") {
      skip = 3;
      ns = kj::heapString(at(2));
    }
    if (!isNamespace(ns)) {
      return replyError(response, table, {400, "INVALID_REQUEST"_kj, kj::str("not a namespace: ", quote(ns))});
    }
    if (at(skip) == "sandboxes") {
      kj::Vector<kj::String> rest;
      for (auto& part: path.slice(skip + 1, path.size())) rest.add(kj::mv(part));
      call.path = kj::mv(rest);
      return serveSandboxes(kj::mv(ns), kj::mv(call), body, response);
    }
    KJ_IF_MAYBE(what, otherPart(at(skip))) {
      return replyError(response, table, notHere(*what));
    }
  }
  return replyError(response, table, {404, "NOT_FOUND"_kj, kj::str("there is nothing at this path")});
}

kj::Promise<void> ControlPlane::serveSandboxes(kj::String ns, Call call, kj::AsyncInputStream& body,
                                               kj::HttpService::Response& response) {
  auto method = call.method;
  auto& path = call.path;
  // A trailing slash is the same place.
  if (path.size() > 0 && path.back().size() == 0) path.removeLast();

  if (path.size() == 0) {
    if (method == kj::HttpMethod::POST) return create(kj::mv(ns), call.patience, body, response);
    if (method == kj::HttpMethod::GET) return list(ns, call.query, response);
    return replyError(response, table, methodNotAllowed(method));
  }

  auto found = registry.find(ns, path[0]);
  KJ_IF_MAYBE(sandbox, found) {
    if (path.size() == 1) {
      switch (method) {
        case kj::HttpMethod::GET:
          return answerInfo(**sandbox, response);
        case kj::HttpMethod::PATCH:
          return update(kj::mv(*sandbox), body, response);
        case kj::HttpMethod::DELETE:
          return remove(kj::mv(*sandbox), response);
        default:
          return replyError(response, table, methodNotAllowed(method));
      }
    }
    if (path.size() == 2 && (path[1] == "suspend" || path[1] == "resume")) {
      if (method != kj::HttpMethod::POST) return replyError(response, table, methodNotAllowed(method));
      return path[1] == "suspend" ? suspend(**sandbox, response) : resume(**sandbox, response);
    }
    KJ_IF_MAYBE(what, otherPart(path[1])) return replyError(response, table, notHere(*what));
    return replyError(response, table, {404, "NOT_FOUND"_kj, kj::str("there is nothing at this path")});
  }
  return replyError(response, table, noSuchSandbox(path[0]));
}

// The body, or why it is not taken.
static kj::Promise<kj::OneOf<kj::Array<kj::byte>, Refusal>> readJson(kj::Timer& timer,
                                                                     kj::AsyncInputStream& body) {
  using Result = kj::OneOf<kj::Array<kj::byte>, Refusal>;
  Refusal tooLong{413, "TOO_LARGE"_kj, kj::str("the body is longer than ", MAX_BODY, " bytes")};
  KJ_IF_MAYBE(size, body.tryGetLength()) {
    if (*size > MAX_BODY) co_return Result(kj::mv(tooLong));
  } else {
    co_return Result(Refusal{411, "LENGTH_REQUIRED"_kj, kj::str("send the body with a Content-Length")});
  }
  co_return Result(co_await timer.timeoutAfter(BODY_PATIENCE, body.readAllBytes(MAX_BODY + 1)));
}

kj::Promise<void> ControlPlane::create(kj::String ns, kj::Maybe<kj::Duration> patience,
                                       kj::AsyncInputStream& body, kj::HttpService::Response& response) {
  auto read = co_await readJson(registry.getTimer(), body);
  KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }
  auto parsed = parseCreate(read.get<kj::Array<kj::byte>>().asChars(), ns);
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }
  auto& record = parsed.get<SandboxRecord>();
  if (record.isNamed() && registry.find(ns, record.name) != nullptr) {
    co_await replyError(response, table, {409, "NAME_CONFLICT"_kj,
        kj::str("there is a sandbox named ", quote(record.name), " already")});
    co_return;
  }
  if (record.terminationReason.size() > 0) {
    // It would end at once: the same answer without leaving anything behind.
    record.id = newSandboxId();
    record.status = Status::TERMINATED;
    co_await replyJson(response, table, 200, formatCreated(record, url, false));
    co_return;
  }
  if (registry.isFull()) {
    co_await replyError(response, table, {429, "SANDBOX_LIMIT"_kj,
        kj::str("this machine holds as many sandboxes as it takes; delete some first")});
    co_return;
  }

  kj::Maybe<kj::Own<Sandbox>> created;
  kj::String failure;
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { created = registry.create(kj::mv(record)); })) {
    logError("a new sandbox could not be saved: ", textOf(*e));
    failure = textOf(*e);
  }
  KJ_IF_MAYBE(sandbox, created) {
    auto late = registry.getTimer().afterDelay(patience.orDefault(CREATE_PATIENCE)).then([]() { return true; });
    bool timedOut = co_await (*sandbox)->settled().then([]() { return false; }).exclusiveJoin(kj::mv(late));
    timedOut = timedOut && (*sandbox)->status() == Status::PENDING;
    auto json = formatCreated((*sandbox)->record(), url, timedOut);
    co_await replyJson(response, table, timedOut ? 504 : 200, kj::mv(json));
  } else {
    co_await replyError(response, table, {507, "STORAGE"_kj,
        kj::str("the sandbox could not be written to disk: ", failure)});
  }
}

kj::Promise<void> ControlPlane::list(kj::StringPtr ns, kj::StringPtr query,
                                     kj::HttpService::Response& response) {
  auto page = parseListQuery(query);
  KJ_IF_MAYBE(refusal, page.tryGet<Refusal>()) {
    return replyError(response, table, kj::mv(*refusal));
  }
  auto sandboxes = registry.list(ns);
  kj::Vector<const SandboxRecord*> records;
  for (auto& sandbox: sandboxes) records.add(&sandbox->record());
  return replyJson(response, table, 200, formatList(records, page.get<Page>(), url));
}

kj::Promise<void> ControlPlane::update(kj::Own<Sandbox> sandbox, kj::AsyncInputStream& body,
                                       kj::HttpService::Response& response) {
  auto read = co_await readJson(registry.getTimer(), body);
  KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }
  auto parsed = parseUpdate(read.get<kj::Array<kj::byte>>().asChars());
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await replyError(response, table, kj::mv(*refusal));
    co_return;
  }
  KJ_IF_MAYBE(name, parsed.get<kj::Maybe<kj::String>>()) {
    auto& record = sandbox->record();
    KJ_IF_MAYBE(other, registry.find(record.ns, *name)) {
      if (other->get() != sandbox.get()) {
        co_await replyError(response, table, {409, "NAME_CONFLICT"_kj,
            kj::str("there is a sandbox named ", quote(*name), " already")});
        co_return;
      }
    }
    if (record.status == Status::TERMINATED) {
      co_await replyError(response, table, {400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " is terminated")});
      co_return;
    }
    kj::Maybe<kj::String> failure;
    KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { sandbox->rename(*name); })) {
      logError("the new name of sandbox ", record.id, " could not be saved: ", textOf(*e));
      failure = kj::str("the new name could not be written to disk: ", textOf(*e));
    }
    KJ_IF_MAYBE(text, failure) {
      co_await replyError(response, table, {507, "STORAGE"_kj, kj::mv(*text)});
      co_return;
    }
  }
  co_await answerInfo(*sandbox, response);
}

kj::Promise<void> ControlPlane::remove(kj::Own<Sandbox> sandbox, kj::HttpService::Response& response) {
  // The end goes on without this request; a second DELETE joins it.
  auto late = registry.getTimer().afterDelay(DELETE_PATIENCE).then([]() -> kj::String {
    return kj::str("it takes longer than expected");
  });
  auto failure = co_await sandbox->terminate("UserRequested")
                     .then([]() { return kj::String(); },
                           [](kj::Exception&& e) { return textOf(e); })
                     .exclusiveJoin(kj::mv(late));
  if (failure.size() == 0) {
    co_await replyJson(response, table, 200, kj::str("{}"));
  } else {
    co_await replyError(response, table, {500, "INTERNAL_ERROR"_kj,
        kj::str("sandbox ", sandbox->record().id, " could not be removed: ", failure)});
  }
}

kj::Promise<void> ControlPlane::suspend(Sandbox& sandbox, kj::HttpService::Response& response) {
  auto& record = sandbox.record();
  switch (sandbox.suspend()) {
    case Sandbox::Answer::STARTED:
      return replyJson(response, table, 202, formatInfo(record, url));
    case Sandbox::Answer::ALREADY:
      return replyJson(response, table, 200, formatInfo(record, url));
    case Sandbox::Answer::REFUSED:
      if (!record.isNamed()) {
        return replyError(response, table, {400, "INVALID_STATE"_kj,
            kj::str("sandbox ", record.id, " has no name; only named sandboxes can be suspended")});
      }
      return replyError(response, table, {400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " cannot be suspended (status: ", toWord(record.status), ")")});
  }
  KJ_UNREACHABLE;
}

kj::Promise<void> ControlPlane::resume(Sandbox& sandbox, kj::HttpService::Response& response) {
  auto& record = sandbox.record();
  switch (sandbox.resume()) {
    case Sandbox::Answer::STARTED:
      return replyJson(response, table, 202, formatInfo(record, url));
    case Sandbox::Answer::ALREADY:
      return replyJson(response, table, 200, formatInfo(record, url));
    case Sandbox::Answer::REFUSED:
      return replyError(response, table, {400, "INVALID_STATE"_kj,
          kj::str("sandbox ", record.id, " cannot be resumed (status: ", toWord(record.status), ")")});
  }
  KJ_UNREACHABLE;
}

kj::Promise<void> ControlPlane::answerInfo(Sandbox& sandbox, kj::HttpService::Response& response) {
  return replyJson(response, table, 200, formatInfo(sandbox.record(), url));
}

}  // namespace sandbridge::localcloud
