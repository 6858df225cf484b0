#include "sandbox/sessions.h"

#include "base/error.h"
#include "base/log.h"
#include "sandbox/access.h"
#include "sandbox/workspace.h"
#include "tensorlake/wire.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

namespace sandbridge {

namespace {

namespace wire = tensorlake::wire;
using tensorlake::Sandbox;

constexpr size_t MAX_ID = 64u << 10;
// How long a deletion waits for calls under way.
constexpr kj::Duration LEASE_TIMEOUT = 30 * kj::SECONDS;
// Sessions remembered though nobody holds them; beyond, the forgotten ones are found again by name.
constexpr size_t MAX_REMEMBERED = 4096;
constexpr kj::StringPtr NAME_PREFIX = "opencode-"_kj;

bool isOver(kj::StringPtr status) {
  return status != wire::RUNNING && status != wire::SUSPENDED;
}

class SessionImpl;

class Registry {
 public:
  virtual void emit(const SessionEvent& event) = 0;
  virtual bool anybodyHearsOfPorts() = 0;
  virtual void background(kj::Promise<void> task) = 0;
  virtual tensorlake::Client& client() = 0;
  virtual kj::Timer& timer() = 0;
};

// One sandbox as it was reached once.
struct Route : public kj::Refcounted {
  Route(Sandbox sandbox, kj::Own<tensorlake::DataPlane> plane, bool isNew)
      : sandbox(kj::mv(sandbox)), plane(kj::mv(plane)), helper(this->sandbox.id, isNew) {}
  Sandbox sandbox;
  kj::Own<tensorlake::DataPlane> plane;
  HelperState helper;
};

class SessionImpl final : public Session, public SandboxAccess, private PortListener {
 public:
  SessionImpl(Registry& registry, kj::StringPtr id, SandboxOptions options)
      : registry(registry),
        id(kj::heapString(id)),
        name(sandboxName(id)),
        options(kj::mv(options)),
        portWatch(*this, *this),
        space(newSandboxWorkspace(*this)) {}

  // --- Session ---

  kj::Promise<SessionInfo> prepare() override {
    auto self = kj::addRef(*this);
    requireAlive();
    try {
      co_await ensure();
    } catch (kj::Exception& e) {
      if (kindOf(e) != ErrorKind::SANDBOX_LOST) throw;
    }
    // The loss has been announced; what is wanted now is a sandbox.
    if (route == nullptr) co_await ensure();
    co_return describe(current().sandbox);
  }

  kj::Promise<SessionInfo> info() override {
    auto self = kj::addRef(*this);
    KJ_IF_MAYBE (sandbox, co_await registry.client().get(kj::heapString(name))) {
      if (sandbox->status != wire::RUNNING) forgetRoute(sandbox->id);
      co_return describe(*sandbox);
    }
    Sandbox none;
    none.status = kj::str("none");
    co_return describe(none);
  }

  kj::Promise<void> suspend() override {
    auto self = kj::addRef(*this);
    requireAlive();
    auto found = co_await registry.client().settle(kj::heapString(name));
    KJ_IF_MAYBE (sandbox, found) {
      if (sandbox->status != wire::RUNNING) co_return;
      co_await registry.client().suspend(kj::heapString(sandbox->id));
      knownId = kj::heapString(sandbox->id);
      forgetRoute(sandbox->id);
      emit(SessionEventKind::SUSPENDED,
           "The sandbox is suspended; its next use resumes it.");
    }
  }

  kj::Promise<void> destroy() override {
    if (!isDestroying()) {
      destroyDone = false;
      destroying = destroyNow().fork();
    }
    return KJ_ASSERT_NONNULL(destroying).addBranch().attach(kj::addRef(*this));
  }

  Workspace& workspace() override { return *space; }

  // --- SandboxAccess ---

  kj::Promise<kj::Own<SandboxUse>> acquire() override {
    requireAlive();
    auto lease = kj::refcounted<Lease>(kj::addRef(*this));
    // What was reached may be suspended again before this call has its turn.
    for (int attempt = 0; attempt < 3 && route == nullptr; ++attempt) co_await ensure();
    co_return kj::heap<Use>(kj::mv(lease), kj::addRef(current()));
  }

  kj::Maybe<kj::Own<SandboxUse>> peek() override {
    KJ_IF_MAYBE (r, route) {
      return kj::Own<SandboxUse>(kj::heap<Use>(nullptr, kj::addRef(**r)));
    }
    return nullptr;
  }

  PortWatch& ports() override { return portWatch; }

  kj::Promise<bool> recover(kj::Own<SandboxUse> use, kj::Exception failure) override {
    auto answer = tensorlake::failureOf(failure);
    auto kind = kindOf(failure);
    bool aboutSandbox = !answer.delivered || kind == ErrorKind::INTERRUPTED ||
                        kind == ErrorKind::UNAVAILABLE || answer.status >= 502 ||
                        (answer.status == 404 && answer.code != wire::NOT_FOUND);
    if (!aboutSandbox || isDestroying()) co_return false;

    auto& used = static_cast<Use&>(*use);
    auto usedId = kj::heapString(used.route->sandbox.id);
    bool moved = false;
    if (usedId != lostId) {
      kj::Maybe<Sandbox> found;
      try {
        found = co_await registry.client().get(kj::heapString(usedId));
      } catch (kj::Exception&) {
        // Nothing is known of the sandbox, so nothing is concluded: the first failure is the one to
        // tell.
        co_return false;
      }
      bool gone = true;
      KJ_IF_MAYBE (sandbox, found) {
        gone = sandbox->status == wire::TERMINATED;
        auto& old = used.route->sandbox;
        bool same = sandbox->status == wire::RUNNING && sandbox->url == old.url &&
                    sandbox->routingHint == old.routingHint;
        moved = !same;
        if (moved) forgetRoute(usedId);
      }
      if (gone && !isDestroying()) lose(usedId);
    }
    if (usedId == lostId) throwLost();
    // Of a proxy a 404 may mean that the sandbox is elsewhere by now; nothing has been carried out
    // then. UNAVAILABLE is safe to repeat by its meaning.
    bool harmless = answer.status == 404 || kind == ErrorKind::UNAVAILABLE;
    co_return !answer.delivered || (moved && harmless);
  }

  void background(kj::Promise<void> task) override {
    registry.background(task.attach(kj::addRef(*this)));
  }
  kj::Canceler& cuts() override { return canceler; }
  kj::Timer& timer() override { return registry.timer(); }

  // Whether nothing but the registry knows of this session, and nothing goes on in it.
  bool idle() const { return !isShared() && leases == 0 && !isPreparing() && !isDestroying(); }
  kj::StringPtr sessionId() const { return id; }
  kj::StringPtr sandbox() const { return name; }

 private:
  Registry& registry;
  kj::String id;
  kj::String name;
  SandboxOptions options;

  kj::Maybe<kj::Own<Route>> route;
  kj::String knownId;  // of the sandbox that this session is known to have
  kj::String lostId;   // of the last one whose end was announced

  kj::Maybe<kj::ForkedPromise<void>> preparing;
  bool prepareDone = true;
  kj::Maybe<kj::ForkedPromise<void>> destroying;
  bool destroyDone = true;

  PortWatch portWatch;
  size_t leases = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> unused;
  kj::Own<Workspace> space;
  kj::Canceler canceler;

  class Lease final : public kj::Refcounted {
   public:
    explicit Lease(kj::Own<SessionImpl> session) : session(kj::mv(session)) {
      ++this->session->leases;
    }
    ~Lease() noexcept(false) {
      if (--session->leases == 0) {
        KJ_IF_MAYBE (fulfiller, session->unused) (*fulfiller)->fulfill();
      }
    }

   private:
    kj::Own<SessionImpl> session;
  };

  class Use final : public SandboxUse {
   public:
    Use(kj::Maybe<kj::Own<Lease>> lease, kj::Own<Route> route)
        : lease(kj::mv(lease)), route(kj::mv(route)) {}
    tensorlake::DataPlane& plane() override { return *route->plane; }
    HelperState& helper() override { return route->helper; }
    kj::Own<SandboxUse> addRef() override {
      kj::Maybe<kj::Own<Lease>> same;
      KJ_IF_MAYBE (l, lease) same = kj::addRef(**l);
      return kj::heap<Use>(kj::mv(same), kj::addRef(*route));
    }
    kj::StringPtr sandboxId() override { return route->sandbox.id; }

    kj::Maybe<kj::Own<Lease>> lease;
    kj::Own<Route> route;
  };

  // --- PortListener ---

  bool isWanted() override { return registry.anybodyHearsOfPorts(); }
  void listening(uint16_t port) override {
    emit(SessionEventKind::LISTENING,
         kj::str("A program in the sandbox listens on port ", port,
                 ". Ask for a preview link (preview_url) to open it in a browser."),
         port);
  }

  void emit(SessionEventKind kind, kj::StringPtr text, uint16_t port = 0) {
    registry.emit({id, kind, text, port});
  }

  bool isPreparing() const { return !prepareDone; }
  bool isDestroying() const { return !destroyDone; }

  Route& current() {
    KJ_IF_MAYBE (r, route) return **r;
    throwError(ErrorKind::UNAVAILABLE, "the sandbox was suspended or deleted just now.");
  }

  void requireAlive() {
    if (isDestroying()) throwError(ErrorKind::NOT_FOUND, "the session is being deleted.");
  }

  [[noreturn]] void throwLost() {
    throwError(ErrorKind::SANDBOX_LOST,
               "the session's sandbox has ended, and the files in it are lost. The next call "
               "starts a new, empty one.");
  }

  SessionInfo describe(const Sandbox& sandbox) {
    return {kj::heapString(id), kj::heapString(name), kj::heapString(sandbox.id),
            kj::heapString(sandbox.status), sandbox.createdAt};
  }

  void forgetRoute(kj::StringPtr sandboxId) {
    KJ_IF_MAYBE (r, route) {
      if ((*r)->sandbox.id == sandboxId) route = nullptr;
    }
  }

  // Announces, once, that this sandbox has ended.
  void lose(kj::StringPtr sandboxId) {
    forgetRoute(sandboxId);
    if (knownId == sandboxId) knownId = kj::String();
    if (lostId == sandboxId) return;
    lostId = kj::heapString(sandboxId);
    emit(SessionEventKind::LOST,
         "The session's sandbox has ended, and the files in it are lost.");
  }

  void connect(Sandbox sandbox, bool isNew = false) {
    auto plane = registry.client().connect(sandbox);
    knownId = kj::heapString(sandbox.id);
    route = kj::refcounted<Route>(kj::mv(sandbox), kj::mv(plane), isNew);
  }

  // Shared by all calls that race for the sandbox; a failure is forgotten, so that the next call
  // tries again.
  kj::Promise<void> ensure() {
    if (route != nullptr) return kj::READY_NOW;
    if (!isPreparing()) {
      prepareDone = false;
      preparing = prepareNow().fork();
    }
    return KJ_ASSERT_NONNULL(preparing).addBranch();
  }

  kj::Promise<void> prepareNow() {
    KJ_DEFER(prepareDone = true);
    auto& client = registry.client();
    // The sandbox may change under each look; it does not do so for ever.
    for (int look = 0; look < 5; ++look) {
      auto found = co_await client.settle(kj::heapString(name));
      KJ_IF_MAYBE (sandbox, found) {
        if (knownId.size() > 0 && knownId != sandbox->id) {
          lose(kj::heapString(knownId));
          throwLost();
        }
        if (sandbox->status == wire::RUNNING) {
          bool first = knownId.size() == 0;
          connect(kj::mv(*sandbox));
          if (first)
            emit(SessionEventKind::CONNECTED, "Connected to the session's sandbox.");
          co_return;
        }
        if (sandbox->status == wire::SUSPENDED) {
          kj::Maybe<Sandbox> resumed;
          try {
            resumed = co_await client.resume(kj::heapString(sandbox->id));
          } catch (kj::Exception& e) {
            if (kindOf(e) != ErrorKind::NOT_FOUND) throw;
          }
          KJ_IF_MAYBE (running, resumed) {
            connect(kj::mv(*running));
            emit(SessionEventKind::RESUMED, "The session's sandbox runs again.");
            co_return;
          }
          continue;
        }
      }
      if (knownId.size() > 0) {
        lose(kj::heapString(knownId));
        throwLost();
      }
      auto created = co_await client.create(request());
      if (isOver(created.status) || created.status == wire::SUSPENDED) continue;
      connect(kj::mv(created), true);
      emit(SessionEventKind::CREATED, "A new sandbox was made for the session.");
      co_return;
    }
    throwError(ErrorKind::UNAVAILABLE,
               "the session's sandbox changes faster than it can be reached.");
  }

  tensorlake::CreateRequest request() {
    tensorlake::CreateRequest request;
    request.name = kj::heapString(name);
    request.image = kj::heapString(options.image);
    request.cpus = options.cpus;
    request.memoryMb = options.memoryMb;
    request.diskMb = options.diskMb;
    request.timeoutSecs = options.timeoutSecs;
    return request;
  }

  kj::Promise<void> destroyNow() {
    KJ_DEFER(destroyDone = true);
    if (isPreparing()) {
      try {
        co_await KJ_ASSERT_NONNULL(preparing).addBranch();
      } catch (kj::Exception&) {
        // Whether it came to be is looked up below.
      }
    }
    if (leases > 0) {
      auto paf = kj::newPromiseAndFulfiller<void>();
      unused = kj::mv(paf.fulfiller);
      co_await paf.promise.exclusiveJoin(timer().afterDelay(LEASE_TIMEOUT));
      unused = nullptr;
    }
    canceler.cancel(
        makeError(ErrorKind::NOT_FOUND, "the session was deleted while this call ran."));
    route = nullptr;

    auto& client = registry.client();
    kj::String doomed = kj::mv(knownId);
    if (doomed.size() == 0) {
      KJ_IF_MAYBE (sandbox, co_await client.get(kj::heapString(name))) {
        if (sandbox->status != wire::TERMINATED) doomed = kj::heapString(sandbox->id);
      }
    }
    if (doomed.size() == 0) co_return;
    kj::Maybe<kj::Exception> failure;
    try {
      co_await client.remove(kj::heapString(doomed));
    } catch (kj::Exception& e) {
      failure = kj::mv(e);
    }
    KJ_IF_MAYBE (e, failure) {
      knownId = kj::mv(doomed);
      kj::throwFatalException(kj::mv(*e));
    }
    emit(SessionEventKind::DELETED, "The session's sandbox was deleted.");
  }
};

class SessionsImpl final : public Sessions, public Registry, private kj::TaskSet::ErrorHandler {
 public:
  SessionsImpl(tensorlake::Client& client, kj::Timer& timer)
      : theClient(client), theTimer(timer), tasks(*this) {}
  ~SessionsImpl() noexcept(false) { closing = true; }

  kj::Own<Session> get(kj::StringPtr rootSessionId, SandboxOptions options) override {
    if (rootSessionId.size() == 0)
      throwError(ErrorKind::INVALID_ARGUMENT, "the session id is empty.");
    if (rootSessionId.size() > MAX_ID) {
      throwError(ErrorKind::INVALID_ARGUMENT, "the session id is longer than 64 KiB.");
    }
    std::string key(rootSessionId.begin(), rootSessionId.size());
    auto found = sessions.find(key);
    if (found == sessions.end()) {
      if (sessions.size() >= MAX_REMEMBERED) forgetIdle();
      found = sessions
                  .emplace(kj::mv(key),
                           kj::refcounted<SessionImpl>(*this, rootSessionId, kj::mv(options)))
                  .first;
    }
    return kj::addRef(*found->second);
  }

  kj::Promise<kj::Array<SessionInfo>> list() override {
    auto all = co_await theClient.list();
    std::unordered_map<std::string, kj::StringPtr> ids;
    for (auto& entry : sessions)
      ids.emplace(entry.second->sandbox().cStr(), entry.second->sessionId());
    kj::Vector<SessionInfo> infos;
    for (auto& sandbox : all) {
      if (!sandbox.name.startsWith(NAME_PREFIX) || sandbox.status == wire::TERMINATED) continue;
      auto id = ids.find(sandbox.name.cStr());
      infos.add(SessionInfo{id == ids.end() ? kj::String() : kj::heapString(id->second),
                            kj::mv(sandbox.name), kj::mv(sandbox.id), kj::mv(sandbox.status),
                            sandbox.createdAt});
    }
    co_return infos.releaseAsArray();
  }

  void addObserver(SessionObserver& observer) override { observers.push_back(&observer); }
  void removeObserver(SessionObserver& observer) override {
    observers.erase(std::remove(observers.begin(), observers.end(), &observer), observers.end());
  }

 private:
  tensorlake::Client& theClient;
  kj::Timer& theTimer;
  std::vector<SessionObserver*> observers;
  std::unordered_map<std::string, kj::Own<SessionImpl>> sessions;
  bool closing = false;
  kj::TaskSet tasks;

  void forgetIdle() {
    for (auto i = sessions.begin(); i != sessions.end();) {
      i = i->second->idle() ? sessions.erase(i) : std::next(i);
    }
  }

  void emit(const SessionEvent& event) override {
    auto now = observers;
    for (auto observer : now) {
      // One that an earlier one removed is not called any more.
      if (std::find(observers.begin(), observers.end(), observer) == observers.end()) continue;
      observer->sessionEvent(event);
    }
  }
  bool anybodyHearsOfPorts() override {
    return std::any_of(observers.begin(), observers.end(),
                       [](SessionObserver* observer) { return observer->hearsOfPorts(); });
  }
  void background(kj::Promise<void> task) override {
    // What the last tasks leave behind when they are dropped comes too late to be run.
    if (!closing) tasks.add(kj::mv(task));
  }
  tensorlake::Client& client() override { return theClient; }
  kj::Timer& timer() override { return theTimer; }
  void taskFailed(kj::Exception&& e) override {
    logError("a background task failed: ", textOf(e));
  }
};

}  // namespace

kj::Own<Sessions> newSessions(tensorlake::Client& client, kj::Timer& timer) {
  return kj::heap<SessionsImpl>(client, timer);
}

}  // namespace sandbridge
