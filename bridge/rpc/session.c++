#include "rpc/capability-support.h"

namespace sandbridge {
namespace {

class SessionCapability final : public api::Session::Server {
 public:
  SessionCapability(kj::Own<SharedSession> session, kj::String sessionId,
                    kj::Own<ConnectionLimits> limits, kj::Own<Background> background,
                    kj::Own<Quota::Ticket> ticket)
      : shared(kj::mv(session)), sessionId(kj::mv(sessionId)), limits(kj::mv(limits)), background(kj::mv(background)),
        ticket(kj::mv(ticket)) {}

  kj::Promise<void> prepare(PrepareContext context) override {
    return answer(context, [&]() {
      return shared->session->prepare().then([this, context](SessionInfo&& info) mutable {
        fillSessionInfo(context.getResults().initInfo(), info, shared->workspace().root());
      });
    });
  }

  kj::Promise<void> info(InfoContext context) override {
    return answer(context, [&]() {
      return shared->session->info().then([this, context](SessionInfo&& info) mutable {
        fillSessionInfo(context.getResults().initInfo(), info, shared->workspace().root());
      });
    });
  }

  kj::Promise<void> tools(ToolsContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      context.getResults(capnp::MessageSize{4, 1})
          .setTools(newToolsCapability(kj::addRef(*shared), kj::addRef(*limits), kj::str(sessionId),
                                       context.getParams().getOptions()));
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> files(FilesContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      context.getResults(capnp::MessageSize{4, 1})
          .setFiles(newFilesCapability(kj::addRef(*shared), kj::addRef(*limits)));
      return kj::READY_NOW;
    });
  }

  kj::Promise<void> processes(ProcessesContext context) override {
    return answer(context, [&]() -> kj::Promise<void> {
      context.getResults(capnp::MessageSize{4, 1})
          .setProcesses(newProcessesCapability(kj::addRef(*shared), kj::addRef(*limits)));
      return kj::READY_NOW;
    });
  }

  // Who asked for these two may hang up at once: they are carried out all the same.
  kj::Promise<void> suspend(SuspendContext context) override {
    return answer(context, [&]() {
      return background->run(shared->toolbox->rest()
                                 .then([&session = *shared->session]() { return session.suspend(); })
                                 .attach(kj::addRef(*shared)));
    });
  }

  kj::Promise<void> destroy(DestroyContext context) override {
    return answer(context, [&]() {
      // The deletion waits for what the tools run.
      auto rested = shared->toolbox->rest();
      return background->run(shared->session->destroy()
                                 .then([rested = kj::mv(rested)]() mutable { return kj::mv(rested); })
                                 .attach(kj::addRef(*shared)));
    });
  }

 private:
  kj::Own<SharedSession> shared;
  kj::String sessionId;
  kj::Own<ConnectionLimits> limits;
  kj::Own<Background> background;
  kj::Own<Quota::Ticket> ticket;
};

}  // namespace

api::Session::Client newSessionCapability(kj::Own<SharedSession> session, kj::String sessionId,
                                          kj::Own<ConnectionLimits> limits,
                                          kj::Own<Background> background,
                                          kj::Own<Quota::Ticket> ticket) {
  return kj::heap<SessionCapability>(kj::mv(session), kj::mv(sessionId), kj::mv(limits),
                                     kj::mv(background), kj::mv(ticket));
}

void fillSessionInfo(api::SessionInfo::Builder out, const SessionInfo& info, kj::StringPtr workspace) {
  out.setId(info.id);
  out.setSandboxName(info.sandboxName);
  out.setSandboxId(info.sandboxId);
  out.setStatus(info.status);
  out.setCreatedAt(info.createdAt);
  out.setWorkspace(workspace);
}

}  // namespace sandbridge
