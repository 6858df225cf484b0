#include "tensorlake/client.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "base/log.h"
#include "tensorlake/data-plane.h"
#include "tensorlake/messages.h"
#include "tensorlake/transport.h"
#include "tensorlake/wire.h"

#include <string>
#include <unordered_set>

namespace sandbridge::tensorlake {

namespace {

constexpr kj::Duration LIFECYCLE_TIMEOUT = 300 * kj::SECONDS;
// A service that is restarted may forget what it has accepted; then the sandbox stays what it is.
constexpr kj::Duration LOST_ORDER_TIMEOUT = 30 * kj::SECONDS;
// For all but a creation, which blocks until the sandbox runs: these are answered from what the service knows.
constexpr kj::Duration PROMPT_TIMEOUT = 30 * kj::SECONDS;
// Time for the answer to arrive after the server has used up what we announced.
constexpr kj::Duration ANSWER_SLACK = 10 * kj::SECONDS;
// For a look at a sandbox that only decides how to go on after a failure.
constexpr kj::Duration GLANCE_TIMEOUT = 5 * kj::SECONDS;
constexpr kj::Duration FIRST_POLL = 20 * kj::MILLISECONDS;
constexpr kj::Duration MAX_POLL = 500 * kj::MILLISECONDS;
// How long a creation whose answer was lost may take to show up by its name before it is asked for
// again.
constexpr kj::Duration APPEAR_TIMEOUT = 5 * kj::SECONDS;
// Far above any account's size: ends a server's endless chain of pages.
constexpr unsigned MAX_PAGES = 10000;

bool isFinal(kj::StringPtr status) {
  return status == wire::TERMINATED || status == wire::TIMEOUT || status == "failed" ||
         status == "error";
}

bool isSettled(kj::StringPtr status) {
  return status == wire::RUNNING || status == wire::SUSPENDED || isFinal(status);
}

class Poll {
 public:
  Poll(kj::Timer& timer, kj::Duration limit) : timer(timer), deadline(timer.now() + limit) {}

  bool over() const { return timer.now() >= deadline; }
  kj::Promise<void> wait() {
    auto delay = next;
    next = kj::min(next * 3 / 2, MAX_POLL);
    return timer.afterDelay(delay);
  }

 private:
  kj::Timer& timer;
  kj::TimePoint deadline;
  kj::Duration next = FIRST_POLL;
};

class ClientImpl final : public Client {
 public:
  ClientImpl(Config configuration, HttpClient& http, kj::Timer& timer)
      : config(kj::mv(configuration)),
        base(lifecycleUrl(config)),
        transport(config, http, timer),
        timer(timer) {}

  kj::Promise<Sandbox> create(CreateRequest request) override {
    auto name = kj::heapString(request.name);

    kj::Maybe<Sandbox> created;
    kj::Maybe<kj::Exception> error;
    bool late = false;
    for (bool first = true;; first = false) {
      auto call = lifecycle("POST", wire::SANDBOXES, kj::str("create the sandbox"));
      call.effect = Effect::ONCE;
      call.announcedTimeout = LIFECYCLE_TIMEOUT;
      call.answerTimeout = LIFECYCLE_TIMEOUT + ANSWER_SLACK;
      call.json(toJson(request, config));
      // A creation that took too long is answered 504 with the sandbox that came too late.
      call.alsoAccept = 504;
      try {
        auto answer = co_await transport.fetch(kj::mv(call));
        late = answer.status == 504;
        created = parseSandbox(answer.body.asChars());
        break;
      } catch (kj::Exception& e) {
        error = kj::mv(e);
      }

      auto& e = KJ_ASSERT_NONNULL(error);
      bool lost = late || kindOf(e) == ErrorKind::INTERRUPTED;
      bool mayExist = lost || failureOf(e).status == 409;
      if (!mayExist || name.size() == 0) kj::throwFatalException(kj::mv(e));
      KJ_IF_MAYBE (found, co_await appear(kj::heapString(name))) co_return kj::mv(*found);
      // Once more, since nothing has come of it: had it only been slow, the name would be refused.
      if (!lost || !first) kj::throwFatalException(kj::mv(e));
      error = nullptr;
      late = false;
    }

    auto& sandbox = KJ_ASSERT_NONNULL(created);
    if (sandbox.name.size() == 0) sandbox.name = kj::mv(name);
    if (late || sandbox.status == wire::TIMEOUT) {
      co_await removeQuietly(kj::heapString(sandbox.id));
      throwError(
          ErrorKind::UNAVAILABLE,
          "the sandbox took too long to start and was removed again; nothing is left of it.");
    }
    if (sandbox.status == wire::RUNNING) co_return kj::mv(sandbox);

    auto id = kj::heapString(sandbox.id);
    auto reason = transport.readable(sandbox.reason);
    if (!isFinal(sandbox.status)) {
      try {
        KJ_IF_MAYBE (settled, co_await settle(kj::heapString(id))) {
          if (settled->status == wire::RUNNING) co_return kj::mv(*settled);
          reason = transport.readable(settled->reason);
        }
      } catch (kj::Exception& e) {
        error = kj::mv(e);
      }
    }
    // What was made goes away again and frees its name; the first error is the one to tell.
    co_await removeQuietly(kj::mv(id));
    KJ_IF_MAYBE (e, error) kj::throwFatalException(kj::mv(*e));
    throwError(ErrorKind::FAILED, kj::str("the new sandbox did not start",
                                          reason.size() > 0 ? ": " : "", reason, "."));
  }

  kj::Promise<kj::Maybe<Sandbox>> get(kj::String idOrName) override {
    return kj::evalNow([&]() {
      return look(lifecycle("GET", path(idOrName), kj::str("look up the sandbox")));
    });
  }

  kj::Promise<kj::Maybe<Sandbox>> look(Call call) {
    kj::Maybe<kj::Exception> error;
    try {
      auto answer = co_await transport.fetch(kj::mv(call));
      co_return kj::Maybe<Sandbox>(parseSandbox(answer.body.asChars()));
    } catch (kj::Exception& e) {
      error = kj::mv(e);
    }
    auto& e = KJ_ASSERT_NONNULL(error);
    if (failureOf(e).status == 404) co_return kj::Maybe<Sandbox>(nullptr);
    kj::throwFatalException(kj::mv(e));
  }

  kj::Promise<kj::Array<Sandbox>> list() override {
    kj::Vector<Sandbox> all;
    kj::String cursor;
    std::unordered_set<std::string> seen;
    for (unsigned pages = 0; pages < MAX_PAGES; ++pages) {
      auto query = cursor.size() == 0 ? kj::str("?limit=100")
                                      : kj::str("?limit=100&cursor=", percentEncode(cursor));
      auto answer = co_await transport.fetch(
          lifecycle("GET", kj::str(wire::SANDBOXES, query), kj::str("list the sandboxes")));
      auto page = parseSandboxPage(answer.body.asChars());
      for (auto& sandbox : page.sandboxes) all.add(kj::mv(sandbox));
      // Some servers name the last page's own cursor at the end.
      if (page.nextCursor.size() == 0 || page.nextCursor == cursor) co_return all.releaseAsArray();
      cursor = kj::mv(page.nextCursor);
      if (!seen.insert(cursor.cStr()).second) break;
    }
    throwError(ErrorKind::FAILED, "TensorLake's list of sandboxes does not end.");
  }

  kj::Promise<void> remove(kj::String idOrName) override {
    auto call = lifecycle("DELETE", path(idOrName), kj::str("delete the sandbox"));
    kj::Maybe<kj::Exception> error;
    try {
      co_await transport.fetch(kj::mv(call));
      co_return;
    } catch (kj::Exception& e) {
      error = kj::mv(e);
    }
    auto& e = KJ_ASSERT_NONNULL(error);
    if (failureOf(e).status != 404) kj::throwFatalException(kj::mv(e));
  }

  kj::Promise<Sandbox> suspend(kj::String idOrName) override {
    kj::Maybe<kj::Exception> error;
    try {
      co_await order(idOrName, "suspend");
    } catch (kj::Exception& e) {
      error = kj::mv(e);
    }
    KJ_IF_MAYBE (e, error) {
      // Refused while it is started or copied, or because it cannot be suspended at all.
      if (failureOf(*e).status != 400) kj::throwFatalException(kj::mv(*e));
      KJ_IF_MAYBE (now, co_await settle(kj::heapString(idOrName))) {
        if (now->status == wire::SUSPENDED) co_return kj::mv(*now);
        if (now->status != wire::RUNNING) kj::throwFatalException(kj::mv(*e));
      } else {
        kj::throwFatalException(kj::mv(*e));
      }
      co_await order(idOrName, "suspend");
    }
    co_return co_await reach(kj::mv(idOrName), wire::SUSPENDED);
  }

  kj::Promise<Sandbox> resume(kj::String idOrName) override {
    kj::Maybe<kj::Exception> error;
    try {
      co_await order(idOrName, "resume");
    } catch (kj::Exception& e) {
      error = kj::mv(e);
    }
    KJ_IF_MAYBE (e, error) {
      // Refused while it is still being suspended or copied, or because somebody else was faster.
      if (failureOf(*e).status != 400) kj::throwFatalException(kj::mv(*e));
      KJ_IF_MAYBE (now, co_await settle(kj::heapString(idOrName))) {
        if (now->status == wire::RUNNING) co_return kj::mv(*now);
        if (now->status != wire::SUSPENDED) kj::throwFatalException(kj::mv(*e));
      } else {
        kj::throwFatalException(kj::mv(*e));
      }
      co_await order(idOrName, "resume");
    }
    // The look-up that sees it running also brings its new routing.
    co_return co_await reach(kj::mv(idOrName), wire::RUNNING);
  }

  kj::Promise<kj::Maybe<Sandbox>> settle(kj::String idOrName) override {
    Poll poll(timer, LIFECYCLE_TIMEOUT);
    for (;;) {
      auto found = co_await get(kj::heapString(idOrName));
      KJ_IF_MAYBE (sandbox, found) {
        if (isSettled(sandbox->status)) co_return kj::mv(found);
        if (poll.over()) {
          throwError(ErrorKind::UNAVAILABLE,
                     kj::str("the sandbox is still ", transport.readable(sandbox->status),
                             " after ", LIFECYCLE_TIMEOUT / kj::SECONDS, " s."));
        }
      } else {
        co_return kj::Maybe<Sandbox>(nullptr);
      }
      co_await poll.wait();
    }
  }

  kj::Own<DataPlane> connect(const Sandbox& sandbox) override {
    return newDataPlane(config, transport, sandbox, [this](kj::String id) {
      auto call = lifecycle("GET", path(id), kj::str("look up the sandbox"));
      call.answerTimeout = GLANCE_TIMEOUT;
      call.patient = false;
      return look(kj::mv(call));
    });
  }

 private:
  Config config;
  kj::String base;
  Transport transport;
  kj::Timer& timer;

  static kj::String path(kj::StringPtr idOrName) {
    // These would lead to another resource; an empty one to all sandboxes.
    if (idOrName == "." || idOrName == ".." || idOrName.size() == 0) {
      throwError(ErrorKind::INVALID_ARGUMENT,
                 kj::str("\"", idOrName, "\" is no sandbox's id or name."));
    }
    return kj::str(wire::SANDBOXES, "/", percentEncode(idOrName));
  }

  Call lifecycle(kj::StringPtr method, kj::StringPtr pathAndQuery, kj::String what) {
    Call call;
    call.method = method;
    call.url = kj::str(base, pathAndQuery);
    call.what = kj::mv(what);
    call.announcedTimeout = call.answerTimeout = PROMPT_TIMEOUT;
    return call;
  }

  // "suspend" or "resume".
  kj::Promise<void> order(kj::StringPtr idOrName, kj::StringPtr verb) {
    return transport.fetch(lifecycle("POST", kj::str(path(idOrName), '/', verb), kj::str(verb, " the sandbox")))
        .ignoreResult();
  }

  // Polls until the sandbox has this status.
  kj::Promise<Sandbox> reach(kj::String idOrName, kj::StringPtr status) {
    Poll poll(timer, LIFECYCLE_TIMEOUT);
    auto restless = timer.now();  // when it was last on its way to anywhere
    for (;;) {
      KJ_IF_MAYBE (sandbox, co_await get(kj::heapString(idOrName))) {
        if (sandbox->status == status) co_return kj::mv(*sandbox);
        if (isFinal(sandbox->status)) throwError(ErrorKind::NOT_FOUND, "the sandbox has ended.");
        if (!isSettled(sandbox->status)) {
          restless = timer.now();
        } else if (timer.now() - restless > LOST_ORDER_TIMEOUT) {
          throwError(ErrorKind::UNAVAILABLE,
                     kj::str("the sandbox stays ", transport.readable(sandbox->status), " instead of becoming ",
                             status, ": the service has lost the order. Try again."));
        }
        if (poll.over()) {
          throwError(ErrorKind::UNAVAILABLE,
                     kj::str("the sandbox is still ", transport.readable(sandbox->status),
                             " instead of ", status, " after ", LIFECYCLE_TIMEOUT / kj::SECONDS,
                             " s."));
        }
      } else {
        throwError(ErrorKind::NOT_FOUND, "the sandbox no longer exists.");
      }
      co_await poll.wait();
    }
  }

  // A sandbox of this name that is alive, waiting for one that is still being made; none if there
  // is none after a while.
  kj::Promise<kj::Maybe<Sandbox>> appear(kj::String name) {
    Poll poll(timer, APPEAR_TIMEOUT);
    for (;;) {
      auto found = co_await settle(kj::heapString(name));
      KJ_IF_MAYBE (sandbox, found) {
        if (!isFinal(sandbox->status)) co_return kj::mv(found);
      }
      if (poll.over()) co_return kj::Maybe<Sandbox>(nullptr);
      co_await poll.wait();
    }
  }

  kj::Promise<void> removeQuietly(kj::String id) {
    try {
      co_await remove(kj::mv(id));
    } catch (kj::Exception& e) {
      logWarning("a sandbox that did not start could not be removed: ", textOf(e));
    }
  }
};

}  // namespace

Sandbox Sandbox::clone() const {
  return {kj::heapString(id),
          kj::heapString(name),
          kj::heapString(status),
          kj::heapString(url),
          kj::heapString(routingHint),
          kj::heapString(reason),
          createdAt};
}

kj::Own<Client> newClient(Config config, HttpClient& http, kj::Timer& timer) {
  return kj::heap<ClientImpl>(kj::mv(config), http, timer);
}

}  // namespace sandbridge::tensorlake
