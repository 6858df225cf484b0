#pragma once
// What every capability of the interface needs: answers that can be cancelled and whose errors are fit to leave the
// house, limits a connection, and the sessions that connections share.

#include "base/coroutine.h"
#include "base/error.h"
#include "rpc/rpc-api.h"

#include <kj/debug.h>
#include <kj/map.h>
#include <kj/refcount.h>

namespace sandbridge {

// The longest `Data` of one `ByteSink.write`.
constexpr size_t MAX_CHUNK = 1u << 20;

// What may leave over RPC: the kind and the sentence. The context of a kj::Exception, which capnp would send along,
// holds file names and line numbers.
kj::Exception publicError(const kj::Exception& e);

// The promise of a method: cancelled with its call, and failing with public errors only.
template <typename Context, typename Func>
kj::Promise<void> answer(Context& context, Func&& func) {
  context.allowCancellation();
  return kj::evalNow(kj::fwd<Func>(func)).catch_([](kj::Exception&& e) -> kj::Promise<void> {
    return publicError(e);
  });
}

// How many of something may exist at once.
class Quota final : public kj::Refcounted {
 public:
  Quota(kj::StringPtr what, unsigned limit): what(what), limit(limit) {}

  class Ticket {
   public:
    explicit Ticket(kj::Own<Quota> quota): quota(kj::mv(quota)) {}
    KJ_DISALLOW_COPY(Ticket);
    ~Ticket() { --quota->used; }

   private:
    kj::Own<Quota> quota;
  };

  // Throws FAILED when all are taken.
  kj::Own<Ticket> take();

 private:
  kj::StringPtr what;  // a literal: "processes"
  unsigned limit;
  unsigned used = 0;
};

// The limits of one connection. They are far above what a client needs, and below what would hurt the others.
struct ConnectionLimits final : public kj::Refcounted {
  kj::Own<Quota> sessions = kj::refcounted<Quota>("sessions", 4096);
  kj::Own<Quota> processes = kj::refcounted<Quota>("processes", 256);
  kj::Own<Quota> toolCalls = kj::refcounted<Quota>("tool calls under way", 256);
  kj::Own<Quota> uploads = kj::refcounted<Quota>("open uploads", 64);
  kj::Own<Quota> watches = kj::refcounted<Quota>("watches", 16);
};

class SessionTable;

// A session and its tools, one for all connections, so that the locks between tool calls hold. Lives as long as a
// capability or a call uses it.
class SharedSession final : public kj::Refcounted {
 public:
  SharedSession(kj::Own<SessionTable> table, kj::String rootId, kj::Own<Session> session,
                kj::Own<Toolbox> toolbox);
  ~SharedSession() noexcept(false);

  Workspace& workspace() { return session->workspace(); }

 private:
  kj::Own<SessionTable> table;
  kj::String rootId;

 public:
  kj::Own<Session> session;
  kj::Own<Toolbox> toolbox;  // refers to the session's workspace
};

class SessionTable final : public kj::Refcounted {
 public:
  SessionTable(Sessions& sessions, ToolboxFactory makeToolbox)
      : sessions(sessions), makeToolbox(kj::mv(makeToolbox)) {}

  kj::Own<SharedSession> get(kj::StringPtr rootId, SandboxOptions options);

 private:
  Sessions& sessions;
  ToolboxFactory makeToolbox;
  kj::HashMap<kj::StringPtr, SharedSession*> table;  // keys live in the sessions

  friend class SharedSession;
};

// What ends on its own, whoever stops waiting for it: deletes and suspends.
class Background final : public kj::Refcounted, private kj::TaskSet::ErrorHandler {
 public:
  // Runs to its end even when the returned promise is dropped.
  kj::Promise<void> run(kj::Promise<void> task);

 private:
  kj::TaskSet tasks{*this};
  void taskFailed(kj::Exception&& e) override;
};

// The parts of the interface. Each holds what it uses.
api::Session::Client newSessionCapability(kj::Own<SharedSession> session, kj::String sessionId,
                                          kj::Own<ConnectionLimits> limits,
                                          kj::Own<Background> background, kj::Own<Quota::Ticket> ticket);
api::Tools::Client newToolsCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits,
                                      kj::String sessionId, api::ToolOptions::Reader options);
api::Files::Client newFilesCapability(kj::Own<SharedSession> session, kj::Own<ConnectionLimits> limits);
api::Processes::Client newProcessesCapability(kj::Own<SharedSession> session,
                                              kj::Own<ConnectionLimits> limits);

void fillSessionInfo(api::SessionInfo::Builder out, const SessionInfo& info, kj::StringPtr workspace);

}  // namespace sandbridge
