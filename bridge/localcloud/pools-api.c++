#include "localcloud/pools-api.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "localcloud/pool-format.h"
#include "localcloud/sandboxes-api.h"
#include "localcloud/wire-format.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

namespace {

Refusal noSuchPool(kj::StringPtr id) {
  return {404, "POOL_NOT_FOUND"_kj, kj::str("there is no pool ", quote(id))};
}

void writePool(JsonWriter& json, const Pool& pool) {
  auto all = pool.containers();
  kj::Vector<PoolContainer> containers;
  for (auto& container: all) {
    bool idle = container->record().warm;
    // One that is still starting is nobody's yet.
    if (idle ? container->status() != Status::RUNNING : container->status() == Status::TERMINATED) continue;
    containers.add(PoolContainer{container->record().id, idle});
  }
  writePool(json, pool.record(), containers);
}

kj::String formatPool(const Pool& pool) {
  JsonWriter json;
  writePool(json, pool);
  return json.finish();
}

// None: done. Otherwise what the client is told of a change that could not be written to disk.
template <typename F>
kj::Maybe<Refusal> saved(kj::StringPtr what, F&& change) {
  KJ_IF_MAYBE(e, kj::runCatchingExceptions(kj::fwd<F>(change))) {
    logError(what, " could not be written to disk: ", textOf(*e));
    return Refusal{507, "STORAGE"_kj, kj::str(what, " could not be written to disk: ", textOf(*e))};
  }
  return nullptr;
}

}  // namespace

kj::Promise<void> PoolsApi::serve(ApiCall call) {
  auto& path = call.path;
  if (path.size() == 0) {
    if (call.method == kj::HttpMethod::POST) return create(kj::mv(call));
    if (call.method == kj::HttpMethod::GET) return list(kj::mv(call));
    return call.refuseMethod();
  }
  auto found = pools.find(call.ns, path[0]);
  KJ_IF_MAYBE(pool, found) {
    if (path.size() == 1) {
      switch (call.method) {
        case kj::HttpMethod::GET:
          return call.reply(200, formatPool(**pool));
        case kj::HttpMethod::PUT:
          return update(kj::mv(call), kj::mv(*pool));
        case kj::HttpMethod::DELETE:
          return remove(kj::mv(call), **pool);
        default:
          return call.refuseMethod();
      }
    }
    if (path.size() == 2 && path[1] == "sandboxes") {
      if (call.method != kj::HttpMethod::POST) return call.refuseMethod();
      return claim(kj::mv(call), kj::mv(*pool));
    }
    return call.refusePath();
  }
  return call.refuse(noSuchPool(path[0]));
}

kj::Promise<kj::OneOf<PoolRecord, Refusal>> PoolsApi::readPool(ApiCall& call) {
  auto read = co_await call.readBody(registry.getTimer());
  KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) co_return kj::OneOf<PoolRecord, Refusal>(kj::mv(*refusal));
  auto parsed = parsePool(read.get<kj::Array<kj::byte>>().asChars(), call.ns);
  KJ_IF_MAYBE(pool, parsed.tryGet<PoolRecord>()) {
    auto& network = pool->configuration.network;
    if (network.hasLists()) {
      KJ_IF_MAYBE(refusal, registry.refuseNetwork(network)) co_return kj::OneOf<PoolRecord, Refusal>(kj::mv(*refusal));
    }
  }
  co_return kj::mv(parsed);
}

kj::Promise<void> PoolsApi::create(ApiCall call) {
  auto parsed = co_await readPool(call);
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  if (pools.isFull()) {
    co_await call.refuse({429, "POOL_LIMIT"_kj,
        kj::str("this machine holds as many pools as it takes; delete some first")});
    co_return;
  }
  kj::Maybe<kj::Own<Pool>> created;
  auto failure = saved("the pool", [&]() { created = pools.create(kj::mv(parsed.get<PoolRecord>())); });
  KJ_IF_MAYBE(refusal, failure) {
    co_await call.refuse(kj::mv(*refusal));
  } else {
    co_await call.reply(200, formatPoolCreated(KJ_ASSERT_NONNULL(created)->record()));
  }
}

kj::Promise<void> PoolsApi::list(ApiCall call) {
  JsonWriter json;
  json.beginObject().key("pools").beginArray();
  for (auto& pool: pools.list(call.ns)) writePool(json, *pool);
  json.endArray().endObject();
  return call.reply(200, json.finish());
}

kj::Promise<void> PoolsApi::update(ApiCall call, kj::Own<Pool> pool) {
  auto parsed = co_await readPool(call);
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  // It may have been deleted while the body came.
  if (pools.find(call.ns, pool->record().id) == nullptr) {
    co_await call.refuse(noSuchPool(pool->record().id));
    co_return;
  }
  auto failure = saved("the pool", [&]() { pools.update(*pool, kj::mv(parsed.get<PoolRecord>())); });
  KJ_IF_MAYBE(refusal, failure) {
    co_await call.refuse(kj::mv(*refusal));
  } else {
    co_await call.reply(200, formatPool(*pool));
  }
}

kj::Promise<void> PoolsApi::remove(ApiCall call, Pool& pool) {
  size_t live = 0;
  for (auto& container: pool.containers()) {
    live += !container->record().warm && container->status() != Status::TERMINATED;
  }
  if (live > 0) {
    return call.refuse({409, "POOL_IN_USE"_kj,
        kj::str("pool ", pool.record().id, " has ", live, " sandbox", live == 1 ? "" : "es",
                " in use; delete them first")});
  }
  auto failure = saved("the end of the pool", [&]() { pools.remove(pool); });
  KJ_IF_MAYBE(refusal, failure) return call.refuse(kj::mv(*refusal));
  return call.reply(200, kj::str("{}"));
}

kj::Promise<void> PoolsApi::claim(ApiCall call, kj::Own<Pool> pool) {
  kj::Array<kj::byte> body;
  // The official client sends an empty body, others none at all.
  if (call.body.tryGetLength().orDefault(1) > 0) {
    auto read = co_await call.readBody(registry.getTimer());
    KJ_IF_MAYBE(refusal, read.tryGet<Refusal>()) {
      co_await call.refuse(kj::mv(*refusal));
      co_return;
    }
    body = kj::mv(read.get<kj::Array<kj::byte>>());
  }
  auto parsed = parseClaim(body.asChars());
  KJ_IF_MAYBE(refusal, parsed.tryGet<Refusal>()) {
    co_await call.refuse(kj::mv(*refusal));
    co_return;
  }
  bool confirm = parsed.get<bool>();

  auto& timer = registry.getTimer();
  auto deadline = startDeadline(call, timer);
  kj::Maybe<kj::Own<Sandbox>> claimed;
  KJ_DEFER(if (claimed == nullptr) pool->passOn());
  while (claimed == nullptr) {
    if (pools.find(call.ns, pool->record().id) == nullptr) {
      co_await call.refuse(noSuchPool(pool->record().id));
      co_return;
    }
    auto failure = saved("the sandbox", [&]() { claimed = pool->claim(); });
    KJ_IF_MAYBE(refusal, failure) {
      co_await call.refuse(kj::mv(*refusal));
      co_return;
    }
    if (claimed != nullptr) break;
    if (!pool->isAtMax()) {
      co_await call.refuse(tooManySandboxes());
      co_return;
    }
    // All containers are in use. As with a start that takes long, the client waits as long as it wants to.
    auto free = pool->whenFree();
    KJ_IF_MAYBE(place, free) {
      auto late = timer.atTime(deadline).then([]() { return true; });
      bool isLate = co_await place->then([]() { return false; }).exclusiveJoin(kj::mv(late));
      if (isLate) {
        // No sandbox was made: the id is for the client, which deletes what came too late.
        SandboxRecord none;
        none.id = newId();
        co_await call.reply(504, formatCreated(none, url, true, confirm));
        co_return;
      }
    } else {
      co_await call.refuse({429, "POOL_LIMIT"_kj,
          kj::str("too many claims wait for pool ", pool->record().id)});
      co_return;
    }
  }
  co_await answerWhenStarted(call, *KJ_ASSERT_NONNULL(claimed), timer, deadline, url, confirm);
}

}  // namespace sandbridge::localcloud
