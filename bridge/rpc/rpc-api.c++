#include "rpc/rpc-api.h"

#include "base/log.h"
#include "rpc/capability-support.h"

namespace sandbridge {
namespace {

api::SessionEvent::Kind toWire(SessionEventKind kind) {
  switch (kind) {
    case SessionEventKind::CREATED: return api::SessionEvent::Kind::CREATED;
    case SessionEventKind::RESUMED: return api::SessionEvent::Kind::RESUMED;
    case SessionEventKind::CONNECTED: return api::SessionEvent::Kind::CONNECTED;
    case SessionEventKind::LOST: return api::SessionEvent::Kind::LOST;
    case SessionEventKind::SUSPENDED: return api::SessionEvent::Kind::SUSPENDED;
    case SessionEventKind::DELETED: return api::SessionEvent::Kind::DELETED;
    case SessionEventKind::LISTENING: return api::SessionEvent::Kind::LISTENING;
  }
  KJ_UNREACHABLE;
}

// One `watch`. A listener that fails, or leaves this many events unanswered, hears no more: events must not pile up here.
constexpr unsigned MAX_UNANSWERED_EVENTS = 256;

class Watch final : public api::Handle::Server, private SessionObserver, private kj::TaskSet::ErrorHandler {
 public:
  Watch(Sessions& sessions, api::SessionListener::Client listener, kj::Own<Quota::Ticket> ticket)
      : sessions(sessions), listener(kj::mv(listener)), ticket(kj::mv(ticket)) {
    sessions.addObserver(*this);
  }
  ~Watch() noexcept(false) { sessions.removeObserver(*this); }

 private:
  Sessions& sessions;
  api::SessionListener::Client listener;
  kj::Own<Quota::Ticket> ticket;
  unsigned unanswered = 0;
  bool stopped = false;
  kj::TaskSet calls{*this};

  bool hearsOfPorts() const override { return true; }

  void sessionEvent(const SessionEvent& event) override {
    if (stopped) return;
    if (unanswered >= MAX_UNANSWERED_EVENTS) {
      stopped = true;
      logWarning("a watcher of sessions does not answer; it gets no more events");
      return;
    }
    auto request = listener.eventRequest();
    auto out = request.initEvent();
    out.setSessionId(event.sessionId);
    out.setKind(toWire(event.kind));
    out.setText(event.text);
    out.setPort(event.port);
    ++unanswered;
    calls.add(request.send().ignoreResult().then([this]() { --unanswered; }));
  }

  void taskFailed(kj::Exception&& e) override {
    stopped = true;
    if (e.getType() != kj::Exception::Type::DISCONNECTED) {
      logWarning("a watcher of sessions failed and gets no more events: ", textOf(e));
    }
  }
};

// Only there to ask the toolbox for its names.
class NoWorkspace final : public Workspace {
 public:
  kj::StringPtr root() override { return "/workspace"; }
  kj::Promise<kj::Own<WorkspaceProcess>> start(WorkspaceCommand, OutputReceiver&) override {
    return none();
  }
  kj::Promise<Captured> runScript(kj::StringPtr, kj::Array<kj::String>, size_t) override {
    return none();
  }
  kj::Promise<kj::Own<kj::AsyncInputStream>> readFile(kj::StringPtr) override { return none(); }
  kj::Promise<void> writeFile(kj::StringPtr, kj::Own<kj::AsyncInputStream>, uint64_t) override {
    return none();
  }
  kj::Promise<kj::Maybe<FileState>> replaceFile(kj::StringPtr, kj::Maybe<kj::ArrayPtr<const kj::byte>>,
                                                kj::ArrayPtr<const kj::byte>) override {
    return none();
  }

 private:
  kj::Exception none() { return makeError(ErrorKind::FAILED, "there is no sandbox here"); }
};

// What all connections of a bridge share.
struct Shared final : public kj::Refcounted {
  Sessions& sessions;
  RpcApi::Options options;
  kj::Array<kj::String> toolNames;
  kj::Own<SessionTable> table;
  kj::Own<Background> background = kj::refcounted<Background>();

  Shared(Sessions& sessions, ToolboxFactory makeToolbox, RpcApi::Options options)
      : sessions(sessions), options(kj::mv(options)) {
    NoWorkspace nowhere;
    auto toolbox = makeToolbox("", nowhere);
    toolNames = KJ_MAP(name, toolbox->names()) { return kj::str(name); };
    toolbox = nullptr;
    table = kj::refcounted<SessionTable>(sessions, kj::mv(makeToolbox));
  }
};

class Bootstrap final : public api::SandboxRpcApi::Server {
 public:
  explicit Bootstrap(kj::Own<Shared> shared): shared(kj::mv(shared)) {}

  kj::Promise<void> hello(HelloContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto server = context.getResults().initServer();
      server.setName("sandbridge");
      server.setVersion(shared->options.version);
      server.setBackend(shared->options.backend);
      server.setWorkspace(shared->options.workspace);
      auto tools = server.initTools(shared->toolNames.size());
      for (auto i : kj::indices(shared->toolNames)) tools.set(i, shared->toolNames[i]);
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> session(SessionContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto params = context.getParams();
      auto key = params.getKey();
      checkId("id", key.getId());
      if (key.getId().size() == 0) {
        throwError(ErrorKind::INVALID_ARGUMENT, "the session's id is empty");
      }
      checkId("root", key.getRoot());
      auto wanted = params.getOptions();
      SandboxOptions options;
      options.image = kj::str(wanted.getImage());
      options.cpus = wanted.getCpus();
      options.memoryMb = wanted.getMemoryMb();
      options.diskMb = wanted.getDiskMb();
      options.timeoutSecs = wanted.getTimeoutSecs();
      if (!(options.cpus >= 0 && options.cpus <= 1024)) {
        throwError(ErrorKind::INVALID_ARGUMENT, "options.cpus is not a number from 0 to 1024");
      }
      auto ticket = limits->sessions->take();
      auto found = shared->table->get(key.getRoot().size() > 0 ? key.getRoot() : key.getId(),
                                      kj::mv(options));
      context.getResults(capnp::MessageSize{4, 1})
          .setSession(newSessionCapability(kj::mv(found), kj::str(key.getId()), kj::addRef(*limits),
                                           kj::addRef(*shared->background), kj::mv(ticket)));
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> sessions(SessionsContext context) override {
    return answer(context, [&]() {
      return shared->sessions.list().then([this, context](kj::Array<SessionInfo>&& list) mutable {
        auto out = context.getResults().initSessions(list.size());
        for (auto i : kj::indices(list)) {
          fillSessionInfo(out[i], list[i], shared->options.workspace);
        }
      });
    });
  }

  kj::Promise<void> watch(WatchContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      auto params = context.getParams();
      if (!params.hasListener()) {
        throwError(ErrorKind::INVALID_ARGUMENT, "watch needs a listener");
      }
      context.getResults(capnp::MessageSize{4, 1})
          .setHandle(kj::heap<Watch>(shared->sessions, params.getListener(),
                                     limits->watches->take()));
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> ping(PingContext context) override { return kj::READY_NOW; }

 private:
  kj::Own<Shared> shared;
  kj::Own<ConnectionLimits> limits = kj::refcounted<ConnectionLimits>();

  static void checkId(kj::StringPtr what, capnp::Text::Reader id) {
    constexpr size_t MAX_ID = 64u << 10;
    if (id.size() > MAX_ID) {
      throwError(ErrorKind::INVALID_ARGUMENT, kj::str("the session's ", what, " is longer than 64 KiB"));
    }
  }
};

class RpcApiImpl final : public RpcApi {
 public:
  RpcApiImpl(Sessions& sessions, ToolboxFactory makeToolbox, Options options)
      : shared(kj::refcounted<Shared>(sessions, kj::mv(makeToolbox), kj::mv(options))) {}

  api::SandboxRpcApi::Client newConnection() override {
    return kj::heap<Bootstrap>(kj::addRef(*shared));
  }

 private:
  kj::Own<Shared> shared;
};

}  // namespace

kj::Own<RpcApi> newRpcApi(Sessions& sessions, ToolboxFactory makeToolbox, RpcApi::Options options) {
  return kj::heap<RpcApiImpl>(sessions, kj::mv(makeToolbox), kj::mv(options));
}

}  // namespace sandbridge
