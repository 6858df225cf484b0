// What an update changes of a sandbox while it lives: its name, its exposed ports, its network policy.

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "localcloud/registry.h"

#include <kj/debug.h>

namespace sandbridge::localcloud {

void Sandbox::change(kj::Maybe<kj::String> name, const PublicAccessChange& change) {
  auto access = info.access.with(change);
  bool closes = !access.includes(info.access);
  auto oldName = kj::heapString(info.name);
  auto oldAccess = kj::mv(info.access);
  KJ_ON_SCOPE_FAILURE({
    info.name = kj::mv(oldName);
    info.access = kj::mv(oldAccess);
  });
  info.access = kj::mv(access);
  KJ_IF_MAYBE(n, name) info.name = kj::mv(*n);
  registry.store.save(info);
  if (closes) ingress.cancel("ports of the sandbox are no longer exposed");
}

kj::Maybe<Refusal> Registry::refuseNetwork(const NetworkPolicy& policy) {
  return boxes.whyNotEnforced(policy).map([](kj::String&& why) {
    return Refusal{501, "NETWORK_POLICY_NOT_ENFORCED"_kj, kj::str("the network policy cannot be enforced: ", why)};
  });
}

kj::Promise<kj::Maybe<Refusal>> Sandbox::setNetwork(NetworkPolicy policy) {
  // One after the other, so that the last one asked for stays; and to its end, whether or not the asker waits for it: the record
  // must say what is enforced.
  auto paf = kj::newPromiseAndFulfiller<kj::Maybe<Refusal>>();
  auto work = networkChange.addBranch()
                  .then([this, policy = kj::mv(policy)]() mutable { return enforce(kj::mv(policy)); })
                  .then([&fulfiller = *paf.fulfiller](kj::Maybe<Refusal>&& refusal) { fulfiller.fulfill(kj::mv(refusal)); },
                        [&fulfiller = *paf.fulfiller](kj::Exception&& e) { fulfiller.reject(kj::mv(e)); })
                  .attach(kj::mv(paf.fulfiller));
  networkChange = work.fork();
  registry.tasks.add(networkChange.addBranch().attach(kj::addRef(*this)));
  return kj::mv(paf.promise);
}

kj::Promise<void> Sandbox::restoreNetwork() {
  networkChange = networkChange.addBranch().then([this]() { return enforceAgain(); }).fork();
  return networkChange.addBranch().attach(kj::addRef(*this));
}

kj::Promise<void> Sandbox::enforceAgain() {
  co_await settled();
  if (info.status == Status::TERMINATED || registry.refuseNetwork(info.network) != nullptr) co_return;
  kj::Maybe<kj::Exception> failure;
  KJ_IF_MAYBE(b, box) {
    co_await kj::evalNow([&]() { return (*b)->setNetwork(info.network.clone()); })
        .catch_([&](kj::Exception&& e) { failure = kj::mv(e); });
  }
  KJ_IF_MAYBE(e, failure) {
    logError("the network policy of sandbox ", info.id, " could not be enforced once more: ", textOf(*e));
  }
}

kj::Promise<kj::Maybe<Refusal>> Sandbox::enforce(NetworkPolicy policy) {
  co_await settled();
  if (info.status != Status::TERMINATED) {
    // Also where nothing runs that it could be refused by now: the next start would not enforce it.
    KJ_IF_MAYBE(refusal, registry.refuseNetwork(policy)) co_return kj::mv(*refusal);
  }
  kj::Maybe<kj::Exception> failure;
  KJ_IF_MAYBE(b, box) {
    co_await kj::evalNow([&]() { return (*b)->setNetwork(policy.clone()); }).catch_([&](kj::Exception&& e) { failure = kj::mv(e); });
  }
  if (info.status == Status::TERMINATED) {
    co_return kj::Maybe<Refusal>(
        Refusal{400, "INVALID_STATE"_kj, kj::str("sandbox ", info.id, " is terminated")});
  }
  KJ_IF_MAYBE(e, failure) {
    logWarning("the network policy of sandbox ", info.id, " could not be changed: ", textOf(*e));
    co_return kj::Maybe<Refusal>(Refusal{501, "NETWORK_POLICY_NOT_ENFORCED"_kj,
        kj::str("the network policy has not changed: ", textOf(*e))});
  }
  auto old = kj::mv(info.network);
  info.network = kj::mv(policy);
  KJ_IF_MAYBE(e, kj::runCatchingExceptions([&]() { registry.store.save(info); })) {
    // It holds until the sandbox is started again.
    info.network = kj::mv(old);
    co_return kj::Maybe<Refusal>(Refusal{507, "STORAGE"_kj,
        kj::str("the network policy could not be written to disk: ", textOf(*e))});
  }
  co_return kj::Maybe<Refusal>(nullptr);
}

}  // namespace sandbridge::localcloud
